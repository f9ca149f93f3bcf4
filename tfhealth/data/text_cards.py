"""The table of text sources, as cards.py is that of image sources."""

from tfhealth.data.cards import SourceFacts, SourceFile
from tfhealth.data.dataset import DatasetCard

NOTES = SourceFacts(
    card=DatasetCard(
        name="notes",
        title="Clinical notes (synthetic)",
        modality="text",
        class_names=(),  # the generator's
        licence="Apache-2.0",
        citation="tfhealth clinical notes (tfhealth/data/notes.py)",
        synthetic=True,
        group_unit="category",
        notes=(
            "These notes are synthetic: written by tfhealth's generator, not about people; scores on them say nothing "
            "about clinical use.",
        ),
    )
)

ICD10CM = SourceFacts(
    card=DatasetCard(
        name="icd10cm",
        title="ICD-10-CM: the text of a diagnosis code to its chapter",
        modality="text",
        class_names=(  # chapter 1 to 21, without their ranges of codes
            "Certain infectious and parasitic diseases",
            "Neoplasms",
            "Diseases of the blood and blood-forming organs and certain disorders involving the immune mechanism",
            "Endocrine, nutritional and metabolic diseases",
            "Mental, Behavioral and Neurodevelopmental disorders",
            "Diseases of the nervous system",
            "Diseases of the eye and adnexa",
            "Diseases of the ear and mastoid process",
            "Diseases of the circulatory system",
            "Diseases of the respiratory system",
            "Diseases of the digestive system",
            "Diseases of the skin and subcutaneous tissue",
            "Diseases of the musculoskeletal system and connective tissue",
            "Diseases of the genitourinary system",
            "Pregnancy, childbirth and the puerperium",
            "Certain conditions originating in the perinatal period",
            "Congenital malformations, deformations and chromosomal abnormalities",
            "Symptoms, signs and abnormal clinical and laboratory findings, not elsewhere classified",
            "Injury, poisoning and certain other consequences of external causes",
            "External causes of morbidity",
            "Factors influencing health status and contact with health services",
        ),
        licence="public domain (CDC/NCHS and CMS), by way of the MIT-licensed package simple_icd_10_cm",
        citation="ICD-10-CM, National Center for Health Statistics and Centers for Medicare & Medicaid Services",
        url="https://pypi.org/project/simple-icd-10-cm/",
        group_unit="category",
        notes=(
            "A text is the description of a category or subcategory, or one of its inclusion terms. Variants by a "
            "seventh character and chapter 22, codes for special purposes, are left out.",
            "Split 70/10/20 by three-character category, stratified by chapter.",
        ),
    )
)

# C01 to C23 of the MeSH tree of 1993, which the Ohsumed categories are.
OHSUMED_CLASSES = (
    "Bacterial Infections and Mycoses; Virus Diseases; Parasitic Diseases; Neoplasms; Musculoskeletal Diseases; "
    "Digestive System Diseases; Stomatognathic Diseases; Respiratory Tract Diseases; Otorhinolaryngologic Diseases; "
    "Nervous System Diseases; Eye Diseases; Urologic and Male Genital Diseases; Female Genital Diseases and Pregnancy "
    "Complications; Cardiovascular Diseases; Hemic and Lymphatic Diseases; Neonatal Diseases and Abnormalities; Skin "
    "and Connective Tissue Diseases; Nutritional and Metabolic Diseases; Endocrine Diseases; Immunologic Diseases; "
    "Disorders of Environmental Origin; Animal Diseases; Pathological Conditions, Signs and Symptoms"
)
# The subset is published as a folder, not as an archive, so it has no checksum and is not downloaded.
OHSUMED = SourceFacts(
    card=DatasetCard(
        name="ohsumed",
        title="Ohsumed: MEDLINE abstracts of one disease category each",
        modality="text",
        class_names=tuple(OHSUMED_CLASSES.split("; ")),
        licence="free for research",
        citation="Hersh et al. 1994 (OHSUMED), SIGIR; subset and split of Yao, Mao, Luo 2019 (TextGCN), AAAI",
        url="https://github.com/yao8839836/text_gcn/tree/master/data/ohsumed_single_23",
        group_unit="document",
    ),
    files=(
        SourceFile(
            "ohsumed_single_23.tar.gz",
            "https://github.com/yao8839836/text_gcn/tree/master/data/ohsumed_single_23 (pack the folder as a .tar.gz)",
        ),
    ),
    expected_counts={"training": 3357, "test": 4043},
)

SMS_SPAM = SourceFacts(
    card=DatasetCard(
        name="sms_spam",
        title="SMS Spam Collection",
        modality="text",
        class_names=("ham", "spam"),
        licence="CC BY 4.0",
        citation="Almeida, Gomez Hidalgo, Yamakami 2011, ACM DocEng; UCI Machine Learning Repository 228",
        url="https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
        group_unit="message",
        positive_classes=("spam",),
        notes=(
            "Split 70/10/20, stratified.",
            "HTML leftovers such as &lt;#&gt; (309 messages) stand in ham only: a model can learn where a message was "
            "collected instead of what it says.",
        ),
    ),
    files=(
        SourceFile(
            "sms+spam+collection.zip",
            "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
            sha256="1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3",
        ),
    ),
    expected_counts={"ham": 4827, "spam": 747},
)

# GitHub packs an archive anew whenever it likes, so its bytes have no lasting checksum; the commit pins the content.
MEDQUAD = SourceFacts(
    card=DatasetCard(
        name="medquad",
        title="MedQuAD: a passage of a medical answer to the type of its question",
        modality="text",
        class_names=(),  # the types that are frequent enough, read from the files
        licence="CC BY 4.0",
        citation="Ben Abacha, Demner-Fushman 2019, BMC Bioinformatics 20:511",
        url="https://github.com/abachaa/MedQuAD",
        group_unit="document",
        notes=(
            "Split 70/10/20 by document, stratified by question type. Documents of different websites may be about "
            "the same disease, and about a quarter of the answers begin with a question, which all but names its type.",
        ),
    ),
    files=(
        SourceFile(
            "MedQuAD.tar.gz",
            "https://github.com/abachaa/MedQuAD/archive/577bd37b96c02d1833b2c9eed2de9f96964e96cb.tar.gz",
        ),
    ),
    expected_counts={"question-answer pairs": 47457},
)

# Chapters of ICD-9-CM: (first three-digit code that is no longer in it, name).
ICD9_CHAPTERS = (
    (140, "Infectious and parasitic diseases"),
    (240, "Neoplasms"),
    (280, "Endocrine, nutritional and metabolic diseases, and immunity disorders"),
    (290, "Diseases of the blood and blood-forming organs"),
    (320, "Mental disorders"),
    (390, "Diseases of the nervous system and sense organs"),
    (460, "Diseases of the circulatory system"),
    (520, "Diseases of the respiratory system"),
    (580, "Diseases of the digestive system"),
    (630, "Diseases of the genitourinary system"),
    (680, "Complications of pregnancy, childbirth, and the puerperium"),
    (710, "Diseases of the skin and subcutaneous tissue"),
    (740, "Diseases of the musculoskeletal system and connective tissue"),
    (760, "Congenital anomalies"),
    (780, "Certain conditions originating in the perinatal period"),
    (800, "Symptoms, signs, and ill-defined conditions"),
    (1000, "Injury and poisoning"),
)
ICD9_LETTERS = {
    "V": "Supplementary classification of factors influencing health status (V codes)",
    "E": "Supplementary classification of external causes (E codes)",
}
MIMIC3_TABLES = ("NOTEEVENTS", "DIAGNOSES_ICD", "PATIENTS", "ADMISSIONS")
MIMIC3 = SourceFacts(
    card=DatasetCard(
        name="mimic3",
        title="MIMIC-III: a discharge summary to the ICD-9 chapter of the primary diagnosis",
        modality="text",
        class_names=(*(name for _, name in ICD9_CHAPTERS), *ICD9_LETTERS.values()),
        licence="PhysioNet Credentialed Health Data License 1.5.0: credentialed access, never to be shared",
        citation="Johnson et al. 2016, MIMIC-III, Sci. Data 3:160035; MIMIC-III v1.4, PhysioNet, doi:10.13026/C2XW26",
        url="https://physionet.org/content/mimiciii/1.4/",
        group_unit="patient",
        notes=(
            "Split 70/10/20 by patient, stratified by chapter.",
            "A discharge summary states its diagnoses in words, so scores are on coding, not on prediction.",
        ),
    ),
    files=tuple(
        SourceFile(f"{name}.csv.gz", f"https://physionet.org/content/mimiciii/1.4/{name}.csv.gz")
        for name in MIMIC3_TABLES
    ),
)
