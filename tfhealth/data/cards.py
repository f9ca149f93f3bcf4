"""The table of sources: where each data set comes from, under which licence, and what it should contain."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfhealth.data.dataset import DatasetCard

MEDMNIST_SIZES = (28, 64, 128, 224)  # pixels; 28 has no suffix in its file name


@dataclass(frozen=True)
class SourceFile:
    """One file as its publisher names it. md5 and sha256 are the publisher's, None where none could be verified."""

    name: str
    url: str
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class SourceFacts:
    """What is known of a source before any of its files is opened."""

    card: DatasetCard
    files: tuple[SourceFile, ...] = ()
    expected_counts: Mapping[str, int] = field(default_factory=dict)  # per class (HAM10000) or split (MedMNIST)
    expected_groups: int | None = None
    class_titles: Mapping[str, str] = field(default_factory=dict)  # class name -> words for a figure or table


@dataclass(frozen=True)
class SourceStatus:
    """One line of `tfhealth.run data`. path is None when the source is not here; url and put_in then say what to do."""

    name: str
    title: str
    licence: str
    path: str | None
    url: str
    put_in: str


OWN_DATA = "as given by the owner of the data"  # licence and citation of files a user brings

SYNTHETIC_NOTE = (
    "These images are synthetic: drawn by tfhealth's dermoscopy phantom, not taken of people; scores on them say "
    "nothing about clinical use."
)
PHANTOM_CITATION = "tfhealth dermoscopy phantom (tfhealth/data/phantom.py)"

HAM10000_URL = "https://doi.org/10.7910/DVN/DBW86T"
HAM10000_TITLES = {
    "akiec": "actinic keratosis / Bowen's disease",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis-like lesion",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}
# Dataverse shows an MD5 beside each file, but it could not be looked up offline, so none is written here. The
# files may be the originals (600x450) or reduced ones; both are read.
HAM10000 = SourceFacts(
    card=DatasetCard(
        name="ham10000",
        title="HAM10000: dermatoscopic images of pigmented skin lesions",
        modality="image",
        class_names=tuple(HAM10000_TITLES),
        licence="CC BY-NC 4.0",
        citation="Tschandl, Rosendahl, Kittler 2018, Sci. Data 5:180161",
        url=HAM10000_URL,
        group_unit="lesion",
        positive_classes=("mel", "bcc", "akiec"),
        notes=(
            "Split 70/10/20 by lesion, stratified by diagnosis.",
            "Skin tone is an ITA group estimated from the pixels around the lesion in photographs that are not "
            "colour-calibrated: it orders images, it does not measure people.",
        ),
    ),
    files=tuple(
        SourceFile(name, HAM10000_URL)
        for name in (
            "HAM10000_images_part_1.zip",
            "HAM10000_images_part_2.zip",
            "HAM10000_metadata.csv",
            "HAM10000_segmentations_lesion_tschandl.zip",
        )
    ),
    expected_counts={"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142},
    expected_groups=7470,
    class_titles=HAM10000_TITLES,
)

MEDMNIST_CITATION = "Yang et al. 2023, MedMNIST v2, Sci. Data 10:41"
MEDMNIST_URL = "https://zenodo.org/records/10519652/files/{file}?download=1"
MULTI_LABEL = "chestmnist"  # 14 findings per image, any number of them present: not a single-label set
DERMAMNIST_NOTE = (
    "DermaMNIST's official split leaks: images of one lesion are in train and in test (Abhishek et al. 2025, Sci. "
    "Data 12:196), so scores are too high; ham10000 is the same data split by lesion."
)
ORGANS = (
    "bladder, femur-left, femur-right, heart, kidney-left, kidney-right, liver, lung-left, lung-right, pancreas, spleen"
)

# flag: (title, class names as published, images in train, validation and test, MD5 at 28, 64, 128 and 224 px).
# Source: github.com/MedMNIST/MedMNIST, medmnist/info.py, version 3.0.2.
MEDMNIST_TABLE = {
    "pathmnist": (
        "PathMNIST: colorectal cancer histology",
        "adipose, background, debris, lymphocytes, mucus, smooth muscle, normal colon mucosa, cancer-associated stroma,"
        " colorectal adenocarcinoma epithelium",
        (89996, 10004, 7180),
        "a8b06965200029087d5bd730944a56c1 55aa9c1e0525abe5a6b9d8343a507616 "
        "ac42d08fb904d92c244187169d1fd1d9 2c51a510bcdc9cf8ddb2af93af1eadec",
    ),
    "dermamnist": (
        "DermaMNIST: pigmented skin lesions (HAM10000)",
        "actinic keratoses and intraepithelial carcinoma, basal cell carcinoma, benign keratosis-like lesions, "
        "dermatofibroma, melanoma, melanocytic nevi, vascular lesions",
        (7007, 1003, 2005),
        "0744692d530f8e62ec473284d019b0c7 b70a2f5635c6199aeaa28c31d7202e1f "
        "2defd784463fa5243564e855ed717de1 8974907d8e169bef5f5b96bc506ae45d",
    ),
    "octmnist": (
        "OCTMNIST: retinal optical coherence tomography",
        "choroidal neovascularization, diabetic macular edema, drusen, normal",
        (97477, 10832, 1000),
        "c68d92d5b585d8d81f7112f81e2d0842 e229e9440236b774d9f0dfef9d07bdaf "
        "0a97e76651ace45c5d943ee3f65b63ae abc493b6d529d5de7569faaef2773ba3",
    ),
    "pneumoniamnist": (
        "PneumoniaMNIST: paediatric chest X-ray",
        "normal, pneumonia",
        (4708, 524, 624),
        "28209eda62fecd6e6a2d98b1501bb15f 8f4eceb4ccffa70c672198ea285246c6 "
        "05b46931834c231683c68f40c47b2971 d6a3c71de1b945ea11211b03746c1fe1",
    ),
    "retinamnist": (
        "RetinaMNIST: diabetic retinopathy grade, fundus camera",
        "0, 1, 2, 3, 4",
        (1080, 120, 400),
        "bd4c0672f1bba3e3a89f0e4e876791e4 afda852cc34dcda56f86ad2b2457dbcc "
        "e48e916a24454daf90583d4e6efb1a18 eae7e3b6f3fcbda4ae613ebdcbe35348",
    ),
    "breastmnist": (
        "BreastMNIST: breast ultrasound",
        "malignant; normal, benign",
        (546, 78, 156),
        "750601b1f35ba3300ea97c75c52ff8f6 742edef2a1fd1524b2efff4bd7ba9364 "
        "363e4b3f8d712e9b5de15470a2aaadf1 b56378a6eefa9fed602bb16d192d4c8b",
    ),
    "bloodmnist": (
        "BloodMNIST: blood cells under the microscope",
        "basophil; eosinophil; erythroblast; immature granulocytes(myelocytes, metamyelocytes and promyelocytes); "
        "lymphocyte; monocyte; neutrophil; platelet",
        (11959, 1712, 3421),
        "7053d0359d879ad8a5505303e11de1dc 2b94928a2ae4916078ca51e05b6b800b "
        "adace1e0ed228fccda1f39692059dd4c b718ff6835fcbdb22ba9eacccd7b2601",
    ),
    "tissuemnist": (
        "TissueMNIST: kidney cortex cells",
        "Collecting Duct, Connecting Tubule; Distal Convoluted Tubule; Glomerular endothelial cells; "
        "Interstitial endothelial cells; Leukocytes; Podocytes; Proximal Tubule Segments; Thick Ascending Limb",
        (165466, 23640, 47280),
        "ebe78ee8b05294063de985d821c1c34b 123ece2eba09d0aa5d698fda57103344 "
        "61b955355d7425a89687b06cca3ce0c2 b077128c4a949f0a4eb01517f9037b9c",
    ),
    "organamnist": (
        "OrganAMNIST: abdominal CT, axial",
        ORGANS,
        (34561, 6491, 17778),
        "68e3f8846a6bd62f0c9bf841c0d9eacc 2dcccc29b88e6da5a01161ef20cda288 "
        "eeae80d0a227a8d099027e1b3cfd3b60 50747347e05c87dd3aaf92c49f9f3170",
    ),
    "organcmnist": (
        "OrganCMNIST: abdominal CT, coronal",
        ORGANS,
        (12975, 2392, 8216),
        "b9ceb9546e10131b32923c5bbeaea2b1 3ce34a8724ea6f548e6db4744d03b6a9 "
        "773c1f009daa3fe5d9a2a201b2a7ed94 050f5e875dc056f6768abf94ec9995d1",
    ),
    "organsmnist": (
        "OrganSMNIST: abdominal CT, sagittal",
        ORGANS,
        (13932, 2452, 8827),
        "9ab87b696fb54e2a387ebe992d6ed5f1 53a6d115339d874c25e309a994ff46d3 "
        "ded0c5fa01a95dc4978b956f613e9b8e b354719e553fbbb2513d5533f52a4cb1",
    ),
}
MEDMNIST_POSITIVE = {
    "dermamnist": (
        "actinic keratoses and intraepithelial carcinoma",
        "basal cell carcinoma",
        "melanoma",
    ),
    "pneumoniamnist": ("pneumonia",),
    "breastmnist": ("malignant",),
    "pathmnist": ("colorectal adenocarcinoma epithelium",),
}


def medmnist_facts(flag: str) -> SourceFacts:
    """Returns the facts of a MedMNIST set, its files in the order of `MEDMNIST_SIZES`; KeyError if unknown."""
    title, classes, counts, md5 = MEDMNIST_TABLE[flag]
    separator = "; " if ";" in classes else ", "
    names = [flag + ("" if size == 28 else f"_{size}") + ".npz" for size in MEDMNIST_SIZES]
    return SourceFacts(
        card=DatasetCard(
            name=f"medmnist:{flag}",
            title=title,
            modality="image",
            class_names=tuple(classes.split(separator)),
            licence="CC BY-NC 4.0" if flag == "dermamnist" else "CC BY 4.0",
            citation=MEDMNIST_CITATION,
            url=MEDMNIST_URL.format(file=names[0]),
            group_unit="image",
            positive_classes=MEDMNIST_POSITIVE.get(flag, ()),
            notes=(DERMAMNIST_NOTE,) if flag == "dermamnist" else (),
        ),
        files=tuple(
            SourceFile(name, MEDMNIST_URL.format(file=name), checksum)
            for name, checksum in zip(names, md5.split(), strict=True)
        ),
        expected_counts=dict(zip(("train", "validation", "test"), counts, strict=True)),
    )
