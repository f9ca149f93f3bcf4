"""What the report owes of Part 1; the other parts are in `sections`."""

from tfhealth.report.outline import Column, FigurePlan, Section, TablePlan

TEXT = Section(
    1,
    "Medical text",
    ("part1",),
    (150, 250),
    (
        TablePlan(
            "comparison",
            "the models side by side",
            "Models of Part 1: size, training time, accuracy and overfitting (training minus validation accuracy); "
            "test scores with 95 % intervals. Training time of the baseline includes the search for its setting.",
            (
                Column("Model", "label"),
                Column("Parameters", "parameters", "count"),
                Column("Time (s)", "seconds", "count"),
                Column("Training acc.", "train_accuracy", "score"),
                Column("Validation acc.", "validation_accuracy", "score"),
                Column("Overfitting", "overfitting", "score"),
                Column("Test accuracy", "test_accuracy", "interval"),
                Column("Test macro F1", "test_f1_macro", "interval"),
            ),
        ),
        TablePlan(
            "finalists",
            "what early stopping changed of the trainings to the end",
            "Finalists of the grid, trained to the end: with early stopping the weights of the epoch that did best "
            "on validation are kept, without it those of the last. The most accurate on validation is the model.",
            (
                Column("Model", "family", "words"),
                Column("Dropout", "dropout", "times"),
                Column("L2", "l2"),
                Column("Early stopping", "early_stopping", "yes"),
                Column("Epoch kept", "best_epoch", "count"),
                Column("Training acc.", "train_accuracy", "score"),
                Column("Validation acc.", "validation_accuracy", "score"),
                Column("Gap", "gap", "score"),
                Column("Validation loss", "validation_log_loss", "score"),
            ),
        ),
    ),
    (
        FigurePlan(
            "learning_curves",
            "training and validation loss and accuracy",
            "Training and validation loss and accuracy by epoch, LSTM and Transformer.",
        ),
        FigurePlan(
            "regularization",
            "the grid of dropout, L2 and early stopping",
            "Regularization: validation accuracy and gap to training accuracy for every dropout and L2, with and "
            "without early stopping.",
        ),
        FigurePlan(
            "gradient_norms",
            "gradient norms of the layers",
            "Gradient analysis: norm of the loss's gradient with respect to each layer's weights, during training.",
        ),
        FigurePlan(
            "time_steps",
            "how the gradient fades over the time steps",
            "Gradient with respect to the hidden state, by distance from the last time step, last-state classifiers.",
            1,
        ),
        FigurePlan("attention", "attention on test documents", "Attention of the Transformer, token by token.", 31),
        FigurePlan("attention_distance", "how far attention reaches", "Share of the attention within a distance.", 40),
        FigurePlan("comparison", "the scores as a chart", "Test scores of the text models, 95 % intervals.", 60),
        FigurePlan("confusion_transformer", "the Transformer's confusions", "Confusion matrix, Transformer.", 61),
        FigurePlan("confusion_lstm", "the LSTM's confusions", "Confusion matrix, LSTM.", 62),
    ),
)
