"""What the report owes of each of the five parts, and what it shows besides if there is room."""

from tfhealth.report.outline import Column, FigurePlan, Section, TablePlan
from tfhealth.report.section_text import TEXT

IMAGES = Section(
    2,
    "Medical images",
    ("part2",),
    (200, 300),
    (
        TablePlan(
            "comparison",
            "the chosen model's scores",
            "Chosen model of Part 2 on the test split, 95 % intervals: as it is, with eight views of each image "
            "averaged, after temperature scaling, and with decisions shifted to even class shares.",
            (
                Column("Variant", "stage"),
                Column("Accuracy", "accuracy", "interval"),
                Column("Balanced accuracy", "balanced_accuracy", "interval"),
                Column("Macro F1", "f1_macro", "interval"),
                Column("ROC AUC", "roc_auc", "interval"),
                Column("Calibration error", "expected_calibration_error", "score"),
            ),
            (("split", ("test",)),),
        ),
        TablePlan(
            "classes",
            "precision, recall, F1, AUC-ROC and average precision of each class",
            "Each class of the test split: precision, recall, F1, AUC-ROC and average precision.",
            (
                Column("Class", "name"),
                Column("Images", "support", "count"),
                Column("Precision", "precision", "interval"),
                Column("Recall", "recall", "interval"),
                Column("F1", "f1", "interval"),
                Column("AUC-ROC", "roc_auc", "score"),
                Column("Average precision", "average_precision", "score"),
            ),
        ),
        TablePlan(
            "regularization",
            "what each regularizer did",
            "Before and after regularization: the defaults, each regularizer of the best trial alone, and the best "
            "trial; validation split.",
            (
                Column("Setting", "setting", "words"),
                Column("Training bal. acc.", "train_balanced_accuracy", "score"),
                Column("Balanced accuracy", "balanced_accuracy", "interval"),
                Column("Accuracy", "accuracy", "interval"),
                Column("ROC AUC", "roc_auc", "score"),
                Column("Log loss", "log_loss", "score"),
            ),
        ),
    ),
    (
        FigurePlan(
            "learning_curves",
            "training and validation curves of every capacity",
            "Learning curves: training and validation loss and accuracy by epoch, by capacity, and of the final model.",
        ),
        FigurePlan(
            "sample_size",
            "scores by number of training images",
            "Bias and variance: training and validation score by number of training images, for each capacity.",
        ),
        FigurePlan(
            "predictions",
            "predictions with classes and Grad-CAM",
            "Ten test images drawn at random with true and predicted class; below each, Grad-CAM.",
        ),
        FigurePlan("roc_pr", "ROC and precision-recall curves", "ROC and precision-recall curves of each class.", 11),
        FigurePlan("confusion_matrix", "which classes are taken for which", "Confusion matrix, test split.", 21),
        FigurePlan("reliability", "calibration", "Accuracy by confidence, before and after temperature scaling.", 33),
        FigurePlan("data", "sample images", "Sample images by class.", 34),
        FigurePlan("regularization", "the regularizers as a chart", "Scores of each regularizer.", 50),
        FigurePlan("gradient_norms", "gradients by layer", "Gradient norm of each layer during training.", 51),
        FigurePlan("tuning", "the trials", "Trials of the search for regularization.", 52),
        FigurePlan("classes", "class scores as a chart", "Precision, recall and F1 by class.", 63),
    ),
)

SYNTHESIS = Section(
    3,
    "Synthetic medical data",
    ("part3", "part3_gan"),
    (150, 200),
    (
        TablePlan(
            "challenges",
            "the challenges, what was done and what came of it",
            "Challenges of training, the strategies used, and their outcome.",
            (
                Column("Challenge", "challenge"),
                Column("Seen", "seen"),
                Column("Strategy", "done"),
                Column("Outcome", "outcome"),
            ),
        ),
        TablePlan(
            "realism",
            "realism and diversity beside real and noise images",
            "Realism and diversity on the features of Part 2's classifier, against real test images: Fréchet distance "
            "(0 is best); precision, recall, density and coverage (1 is best).",
            (
                Column("Images", "images"),
                Column("Fréchet distance", "frechet_distance", "interval2"),
                Column("Precision", "precision", "interval2"),
                Column("Recall", "recall", "interval2"),
                Column("Density", "density", "score2"),
                Column("Coverage", "coverage", "interval2"),
            ),
            (("space", ("classifier features",)),),
        ),
        TablePlan(
            "records_usefulness",
            "what the synthetic records are good for",
            "Synthetic patient records: ROC AUC on real test records of classifiers trained on real and on synthetic "
            "ones.",
            (
                Column("Classifier", "classifier"),
                Column("Trained on", "trained_on"),
                Column("ROC AUC", "value", "interval"),
            ),
        ),
        TablePlan(
            "records_private",
            "what differential privacy costs the records",
            "Synthetic patient records with differential privacy: what each record is granted, ROC AUC of classifiers "
            "trained on them, and of membership inference with the model (0.5 is guessing).",
            (
                Column("File", "file"),
                Column("Epsilon", "epsilon", "score2"),
                Column("Delta", "delta"),
                Column("Logistic regression", "logistic_regression", "interval"),
                Column("Gradient boosting", "gradient_boosting", "interval"),
                Column("Membership inference", "membership_auc", "interval"),
            ),
        ),
    ),
    (
        FigurePlan(
            "samples",
            "generated samples, each with its nearest training image",
            "Generated samples, drawn at random, each beside the training image nearest to it.",
        ),
        FigurePlan("losses", "the loss curves", "Loss curves by epoch, training and validation."),
        FigurePlan("collapse", "KL by latent dimension", "Posterior collapse: KL of each latent dimension.", 2),
        FigurePlan("classes", "samples by class", "Synthetic images by the class asked for.", 12),
        FigurePlan(
            "records_losses", "the records' loss curves", "Patient records: loss curves of the tabular VAE.", 23
        ),
        FigurePlan("records_columns", "records column by column", "Columns of real and synthetic patient records.", 24),
        FigurePlan("records_usefulness", "what the records are good for", "ROC AUC by what was trained on.", 25),
        FigurePlan("records_private", "the price of differential privacy", "Records with differential privacy.", 26),
        FigurePlan("records_attacks", "attacks on the records", "Attacks on people trained on, and on others.", 36),
        FigurePlan("reconstructions", "reconstructions", "Test images and their reconstructions.", 32),
        FigurePlan("usefulness", "what the images are good for", "Balanced accuracy by what was trained on.", 22),
        FigurePlan("realism", "realism as a chart", "Likeness to real test images.", 53),
        FigurePlan("interpolations", "from one image to another", "Steps from one synthetic image to another.", 54),
    ),
)

COMPRESSION = Section(
    4,
    "Compression and deployment",
    ("part4", "part4_text"),
    (100, 150),
    (
        TablePlan(
            "comparison",
            "size, latency and accuracy before and after",
            "Size, latency (median, batch 1, one thread) and test accuracy of every file. Before compression: float32; "
            "the change is that to the Keras model, with its 95 % interval.",
            (
                Column("File", "name"),
                Column("MB", "size_mb", "score"),
                Column("MB, gzipped", "gzip_mb", "score"),
                Column("Times smaller", "times_smaller", "times"),
                Column("Latency (ms)", "latency_p50_1_threads_ms", "score"),
                Column("Times faster", "times_faster", "times"),
                Column("Accuracy", "accuracy", "score"),
                Column("Change", "accuracy_change", "interval"),
            ),
            (("failure", ("",)),),
        ),
    ),
    (
        FigurePlan("pareto", "accuracy against size and latency", "Test accuracy against size and latency.", 3),
        FigurePlan("subgroups", "the change by group", "Change of accuracy by group, recommended file.", 41),
        FigurePlan("comparison", "the same as a chart", "Size, speed and accuracy of every file.", 64),
    ),
)

ETHICS = Section(
    5,
    "Fairness and ethics",
    ("part5", "part5_text"),
    (400, 600),
    (
        TablePlan(
            "groups",
            "the audit by group",
            "Audit: performance of the model by demographic group, 95 % intervals (whole patients or lesions "
            "resampled); small groups pooled.",
            (
                Column("Feature", "feature", "words"),
                Column("Group", "group", "short"),
                Column("n", "units", "count"),
                Column("Accuracy", "accuracy", "interval2"),
                Column("Recall", "recall", "interval2"),
                Column("Specificity", "specificity", "interval2"),
                Column("ROC AUC", "roc_auc", "interval2"),
            ),
            (("model", ("=model",)), ("view", ("=view.name",)), ("class", ("=view.name", "all classes"))),
        ),
        TablePlan(
            "mitigation_price",
            "mitigations and their price",
            "Mitigations on the clearest gap of validation: the worst group's recall, what the payer loses, and the "
            "change in balanced accuracy.",
            (
                Column("Mitigation", "mitigation"),
                Column("Worst group", "worst_group", "short"),
                Column("Before", "worst_before", "score2"),
                Column("After", "worst_after", "score2"),
                Column("Gain", "gain", "interval2"),
                Column("Paid by", "payer", "short"),
                Column("Balanced acc. change", "balanced_accuracy_change", "score2"),
            ),
        ),
    ),
    (
        FigurePlan("gaps", "the gaps between groups", "Disparities: clearest gap between two groups, by feature."),
        FigurePlan("trade_off", "gap against accuracy of every model", "Gap against balanced accuracy.", 4),
        FigurePlan("groups", "rates by group", "Rates by group, 95 % intervals.", 10),
        FigurePlan("reliability", "calibration by group", "Observed frequency by predicted probability, by group.", 35),
        FigurePlan("compression", "change by compression", "Change by group in the file that changed most.", 55),
        FigurePlan("mitigation", "change by mitigation", "Change by group with each mitigation.", 56),
    ),
)

SECTIONS = (TEXT, IMAGES, SYNTHESIS, COMPRESSION, ETHICS)
