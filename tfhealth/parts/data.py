"""`tfhealth.run data`: what each data set is, its licence, whether it is here; and one of them, read and counted."""

from tfhealth.data.image import describe_sources, load_image_dataset
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.text import NAMED, TextOptions, describe_text_sources, load_text_dataset


def run(name: str | None, images: ImageOptions, texts: TextOptions) -> None:
    """Prints one line per source, or, with a name, the size of that data set and what its card says."""
    if name is None:
        for source in (*describe_sources(images.data_dir), *describe_text_sources(texts.data_dir)):
            where = source.path or f"not here: get {source.url} and put it into {source.put_in}"
            print(f"{source.name:16} {source.title} ({source.licence}): {where}")
        return
    bundle = load_text_dataset(name, texts) if name in NAMED else load_image_dataset(name, images)
    sizes = ", ".join(f"{len(getattr(bundle, split))} {split}" for split in ("train", "validation", "test"))
    print(f"{bundle.card.name}: {bundle.card.title}; {bundle.num_classes} classes; {sizes}")
    for note in bundle.card.notes:
        print(f"  {note}")
