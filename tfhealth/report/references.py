"""The literature that the report's methods come from, by the part that uses it."""

from tfhealth.report.content import Report

BY_PART = {
    1: (
        "Hochreiter, Schmidhuber 1997, Long short-term memory, Neural Computation 9(8)",
        "Vaswani et al. 2017, Attention is all you need, NeurIPS, arXiv:1706.03762",
        "Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks, ICML, arXiv:1211.5063",
        "McNemar 1947, Note on the sampling error of the difference between correlated proportions, Psychometrika 12",
    ),
    2: (
        "He et al. 2016, Deep residual learning for image recognition, CVPR, arXiv:1512.03385",
        "Selvaraju et al. 2017, Grad-CAM, ICCV, arXiv:1610.02391",
        "Guo et al. 2017, On calibration of modern neural networks, ICML, arXiv:1706.04599",
        "O'Malley et al. 2019, KerasTuner",
    ),
    3: (
        "Kingma, Welling 2014, Auto-encoding variational Bayes, ICLR, arXiv:1312.6114",
        "Bowman et al. 2016, Generating sentences from a continuous space, CoNLL, arXiv:1511.06349 (KL annealing)",
        "Kingma et al. 2016, Improving variational inference with IAF, NeurIPS, arXiv:1606.04934 (free bits)",
        "Heusel et al. 2017, GANs trained by a two time-scale update rule, arXiv:1706.08500 (Fréchet distance)",
        "Naeem et al. 2020, Reliable fidelity and diversity metrics, ICML, arXiv:2002.09797 (density, coverage)",
    ),
    4: (
        "Jacob et al. 2018, Quantization and training of neural networks, CVPR, arXiv:1712.05877",
        "Zhu, Gupta 2017, To prune, or not to prune, arXiv:1710.01878",
        "Hinton, Vinyals, Dean 2015, Distilling the knowledge in a neural network, arXiv:1503.02531",
    ),
    5: (
        "Hardt, Price, Srebro 2016, Equality of opportunity in supervised learning, NeurIPS, arXiv:1610.02413",
        "Agarwal et al. 2018, A reductions approach to fair classification, ICML, arXiv:1803.02453",
        "Weerts et al. 2023, Fairlearn: assessing and improving fairness of AI systems, JMLR 24(257)",
        "Shokri et al. 2017, Membership inference attacks against machine learning models, S&P, arXiv:1610.05820",
    ),
}


def references(report: Report) -> list[str]:
    """Returns the data sets' citations and the literature of the parts that were run, alphabetically."""
    cited = {source["citation"] for source in report.sources}
    return sorted(cited.union(*(BY_PART[part.number] for part in report.parts if not part.missing)))
