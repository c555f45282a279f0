"""The one table of papers: every optimizer, problem, claim and deviation points here by key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from theory_sim.rules import checks

_KEY = re.compile(r"[A-Za-z]\w*")


@dataclass(frozen=True)
class Paper:
    """A source.

    Parameters
    ----------
    key : str
    authors : str
        BibTeX form, joined by " and ".
    title, venue : str
        The venue may be "arXiv" or "unpublished".
    year : int
    arxiv : str
        Identifier, empty if the paper is not on arXiv; then `url` is given.
    url : str
        Empty for what was found here.
    """

    key: str
    authors: str
    title: str
    venue: str
    year: int
    arxiv: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"key = {self.key!r} must be a word such as author2026: letters and digits.")

    def bibtex(self) -> str:
        """Return a BibTeX entry."""
        kind = {"arXiv": "misc", "unpublished": "unpublished"}.get(self.venue, "inproceedings")
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",
            "booktitle": self.venue if kind == "inproceedings" else "",
            "note": "unpublished" if kind == "unpublished" else "",
            "year": str(self.year),
            "eprint": self.arxiv,
            "archiveprefix": "arXiv" if self.arxiv else "",
            "url": self.url,
        }
        lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
        return f"@{kind}{{{self.key},\n{lines}}}"

    def __str__(self) -> str:
        source = f"arXiv:{self.arxiv}" if self.arxiv else self.url
        return f"{self.authors.replace(' and ', ', ').rstrip('.')}. {self.title}. {self.venue} {self.year}. {source}".rstrip()


_TABLE = [
    Paper("robbins1951", "Robbins, H. and Monro, S.", "A Stochastic Approximation Method",
          "Annals of Mathematical Statistics 22", 1951, url="https://doi.org/10.1214/aoms/1177729586"),
    Paper("polyak1964", "Polyak, B. T.", "Some Methods of Speeding up the Convergence of Iteration Methods",
          "USSR Computational Mathematics and Mathematical Physics 4", 1964,
          url="https://doi.org/10.1016/0041-5553(64)90137-5"),
    Paper("duchi2011", "Duchi, J. and Hazan, E. and Singer, Y.",
          "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
          "Journal of Machine Learning Research 12", 2011, url="https://jmlr.org/papers/v12/duchi11a.html"),
    Paper("tieleman2012", "Tieleman, T. and Hinton, G.", "Lecture 6.5: RMSProp",
          "COURSERA: Neural Networks for Machine Learning", 2012,
          url="https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf"),
    Paper("kingma2015", "Kingma, D. P. and Ba, J.", "Adam: A Method for Stochastic Optimization", "ICLR", 2015,
          "1412.6980"),
    Paper("graves2013", "Graves, A.", "Generating Sequences With Recurrent Neural Networks", "arXiv", 2013,
          "1308.0850"),
    Paper("sutskever2013", "Sutskever, I. and Martens, J. and Dahl, G. and Hinton, G.",
          "On the Importance of Initialization and Momentum in Deep Learning", "ICML", 2013,
          url="https://proceedings.mlr.press/v28/sutskever13.html"),
    Paper("dozat2016", "Dozat, T.", "Incorporating Nesterov Momentum into Adam", "ICLR Workshop", 2016,
          url="https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ"),
    Paper("reddi2018", "Reddi, S. J. and Kale, S. and Kumar, S.", "On the Convergence of Adam and Beyond", "ICLR",
          2018, "1904.09237"),
    Paper("zou2019", "Zou, F. and Shen, L. and Jie, Z. and Zhang, W. and Liu, W.",
          "A Sufficient Condition for Convergences of Adam and RMSProp", "CVPR", 2019, "1811.09358"),
    Paper("zaheer2018", "Zaheer, M. and Reddi, S. J. and Sachan, D. and Kale, S. and Kumar, S.",
          "Adaptive Methods for Nonconvex Optimization", "NeurIPS", 2018,
          url="https://papers.nips.cc/paper/8186-adaptive-methods-for-nonconvex-optimization"),
    Paper("loshchilov2019", "Loshchilov, I. and Hutter, F.", "Decoupled Weight Decay Regularization", "ICLR", 2019,
          "1711.05101"),
    Paper("luo2019", "Luo, L. and Xiong, Y. and Liu, Y. and Sun, X.",
          "Adaptive Gradient Methods with Dynamic Bound of Learning Rate", "ICLR", 2019, "1902.09843"),
    Paper("liu2020", "Liu, L. and Jiang, H. and He, P. and Chen, W. and Liu, X. and Gao, J. and Han, J.",
          "On the Variance of the Adaptive Learning Rate and Beyond", "ICLR", 2020, "1908.03265"),
    Paper("zhuang2020", "Zhuang, J. and Tang, T. and Ding, Y. and Tatikonda, S. and others",
          "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients", "NeurIPS", 2020,
          "2010.07468"),
    Paper("shi2021", "Shi, N. and Li, D. and Hong, M. and Sun, R.",
          "RMSProp Converges with Proper Hyper-parameter", "ICLR", 2021,
          url="https://openreview.net/forum?id=3UDSdyIcBDA"),
    Paper("chen2022", "Chen, C. and Shen, L. and Zou, F. and Liu, W.",
          "Towards Practical Adam: Non-Convexity, Convergence Theory, and Mini-Batch Acceleration",
          "Journal of Machine Learning Research 23", 2022, "2101.05471"),
    Paper("zhang2022", "Zhang, Y. and Chen, C. and Shi, N. and Sun, R. and Luo, Z.-Q.",
          "Adam Can Converge Without Any Modification on Update Rules", "NeurIPS", 2022, "2208.09632"),
    Paper("zhang2026", "Zhang, Y. and Li, B. and Chen, C. and Luo, Z.-Q. and Sun, R.",
          "Adam Converges Without Any Modification On Update Rules", "arXiv", 2026, "2603.02092"),
    Paper("defossez2022", "D{\\'e}fossez, A. and Bottou, L. and Bach, F. and Usunier, N.",
          "A Simple Convergence Proof of Adam and Adagrad", "Transactions on Machine Learning Research", 2022,
          "2003.02395"),
    Paper("wang2022divergence", "Wang, R. and Klabjan, D.",
          "Divergence Results and Convergence of a Variance Reduced Version of ADAM", "arXiv", 2022, "2210.05607"),
    Paper("dereich2024", "Dereich, S. and Jentzen, A.", "Convergence Rates for the Adam Optimizer", "arXiv", 2024,
          "2407.21078"),
    Paper("taniguchi2024", "Taniguchi, S. and Harada, K. and Minegishi, G. and others",
          "ADOPT: Modified Adam Can Converge with Any beta2 with the Optimal Rate", "NeurIPS", 2024, "2411.02853"),
    Paper("xie2024", "Xie, X. and Zhou, P. and Li, H. and Lin, Z. and Yan, S.",
          "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models",
          "IEEE Transactions on Pattern Analysis and Machine Intelligence 46", 2024, "2208.06677"),
    Paper("defazio2024", "Defazio, A. and Yang, X. A. and Mehta, H. and Mishchenko, K. and Khaled, A. and Cutkosky, A.",
          "The Road Less Scheduled", "NeurIPS", 2024, "2405.15682"),
    Paper("liang2024", "Liang, K. and Chen, L. and Liu, B. and Liu, Q.",
          "Cautious Optimizers: Improving Training with One Line of Code", "arXiv", 2024, "2411.16085"),
    Paper("pagliardini2025", "Pagliardini, M. and Ablin, P. and Grangier, D.",
          "The AdEMAMix Optimizer: Better, Faster, Older", "ICLR", 2025, "2409.03137"),
    Paper("orvieto2025", "Orvieto, A. and Gower, R. M.", "In Search of Adam's Secret Sauce", "arXiv", 2025,
          "2505.21829"),
    Paper("zhang2020clipping", "Zhang, J. and He, T. and Sra, S. and Jadbabaie, A.",
          "Why Gradient Clipping Accelerates Training: A Theoretical Justification for Adaptivity", "ICLR", 2020,
          "1905.11881"),
    Paper("zhang2020heavy", "Zhang, J. and Karimireddy, S. P. and Veit, A. and Kim, S. and Reddi, S. J. and others",
          "Why Are Adaptive Methods Good for Attention Models?", "NeurIPS", 2020, "1912.03194"),
    Paper("zhang2024transformers", "Zhang, Y. and Chen, C. and Ding, T. and Li, Z. and Sun, R. and Luo, Z.-Q.",
          "Why Transformers Need Adam: A Hessian Perspective", "NeurIPS", 2024, "2402.16788"),
    Paper("cohen2022", "Cohen, J. M. and Ghorbani, B. and Krishnan, S. and Agarwal, N. and others",
          "Adaptive Gradient Methods at the Edge of Stability", "arXiv", 2022, "2207.14484"),
    Paper("zhang2020improved", "Zhang, B. and Jin, J. and Fang, C. and Wang, L.",
          "Improved Analysis of Clipping Algorithms for Non-convex Optimization", "NeurIPS", 2020, "2010.02519"),
    Paper("koloskova2023", "Koloskova, A. and Hendrikx, H. and Stich, S. U.",
          "Revisiting Gradient Clipping: Stochastic Bias and Tight Convergence Guarantees", "ICML", 2023,
          "2305.01588"),
    Paper("wang2022", "Wang, B. and Zhang, Y. and Zhang, H. and Meng, Q. and others",
          "Provable Adaptivity of Adam under Non-uniform Smoothness", "KDD", 2024, "2208.09900"),
    Paper("wang2024separability", "Wang, B. and Zhang, H. and Meng, Q. and Sun, R. and Ma, Z.-M. and Chen, W.",
          "On the Convergence of Adam under Non-uniform Smoothness: Separability from SGDM and Beyond", "arXiv",
          2024, "2403.15146"),
    Paper("hunter", "{The theory-sim developers}",
          "The Smallest Periodic Gradients on Which an Optimizer Provably Fails", "theory-sim", 2026),
    Paper("lessard2016", "Lessard, L. and Recht, B. and Packard, A.",
          "Analysis and Design of Optimization Algorithms via Integral Quadratic Constraints",
          "SIAM Journal on Optimization 26", 2016, "1408.3595"),
    Paper("bock2022", "Bock, S. and Wei{\\ss}, M. G.", "Non-Convergence and Limit Cycles in the Adam Optimizer",
          "arXiv", 2022, "2210.02070"),
    Paper("goujaud2023", "Goujaud, B. and Taylor, A. and Dieuleveut, A.",
          "Provable Non-Accelerations of the Heavy-Ball Method", "arXiv", 2023, "2307.11291"),
    Paper("bernstein2018", "Bernstein, J. and Wang, Y.-X. and Azizzadenesheli, K. and Anandkumar, A.",
          "signSGD: Compressed Optimisation for Non-Convex Problems", "ICML", 2018, "1802.04434"),
    Paper("karimireddy2019", "Karimireddy, S. P. and Rebjock, Q. and Stich, S. U. and Jaggi, M.",
          "Error Feedback Fixes SignSGD and Other Gradient Compression Schemes", "ICML", 2019, "1901.09847"),
    Paper("crawshaw2022", "Crawshaw, M. and Liu, M. and Orabona, F. and Zhang, W. and Zhuang, Z.",
          "Robustness to Unbounded Smoothness of Generalized SignSGD", "NeurIPS", 2022, "2208.11195"),
    Paper("sun2023", "Sun, T. and others",
          "Rethinking SIGN Training: Provable Nonconvex Acceleration without First- and Second-Order Gradient "
          "Lipschitz", "arXiv", 2023, "2310.14616"),
    Paper("chen2023lion", "Chen, X. and Liang, C. and Huang, D. and Real, E. and others",
          "Symbolic Discovery of Optimization Algorithms", "NeurIPS", 2023, "2302.06675"),
    Paper("chen2023lionk", "Chen, L. and Liu, B. and Liang, K. and Liu, Q.",
          "Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts", "ICLR", 2024, "2310.05898"),
    Paper("seide2014", "Seide, F. and Fu, H. and Droppo, J. and Li, G. and Yu, D.",
          "1-Bit Stochastic Gradient Descent and Its Application to Data-Parallel Distributed Training of Speech "
          "DNNs", "Interspeech", 2014, url="https://doi.org/10.21437/Interspeech.2014-274"),
    Paper("qsgd2017", "Alistarh, D. and Grubic, D. and Li, J. and Tomioka, R. and Vojnovic, M.",
          "QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding", "NeurIPS", 2017,
          "1610.02132"),
    Paper("terngrad2017", "Wen, W. and Xu, C. and Yan, F. and Wu, C. and Wang, Y. and Chen, Y. and Li, H.",
          "TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep Learning", "NeurIPS", 2017,
          "1705.07878"),
    Paper("stich2018", "Stich, S. U. and Cordonnier, J.-B. and Jaggi, M.", "Sparsified SGD with Memory", "NeurIPS",
          2018, "1809.07599"),
    Paper("natural2019", "Horv{\\'a}th, S. and Ho, C.-Y. and Horv{\\'a}th, L. and Sahu, A. N. and others",
          "Natural Compression for Distributed Deep Learning", "arXiv", 2019, "1905.10988"),
    Paper("powersgd2019", "Vogels, T. and Karimireddy, S. P. and Jaggi, M.",
          "PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization", "NeurIPS", 2019,
          "1905.13727"),
    Paper("onebitadam2021", "Tang, H. and Gan, S. and Awan, A. A. and Rajbhandari, S. and others",
          "1-bit Adam: Communication Efficient Large-Scale Training with Adam's Convergence Speed", "ICML", 2021,
          "2102.02888"),
    Paper("qadam2021", "Chen, C. and Shen, L. and Huang, H. and Liu, W.",
          "Quantized Adam with Error Feedback", "ACM Transactions on Intelligent Systems and Technology 12", 2021,
          "2004.14180"),
    Paper("choco2019", "Koloskova, A. and Lin, T. and Stich, S. U. and Jaggi, M.",
          "Decentralized Deep Learning with Arbitrary Communication Compression", "ICLR", 2020, "1907.09356"),
    Paper("ef21", "Richt{\\'a}rik, P. and Sokolov, I. and Fatkhullin, I.",
          "EF21: A New, Simpler, Theoretically Better, and Practically Faster Error Feedback", "NeurIPS", 2021,
          "2106.05203"),
    Paper("compams2022", "Li, X. and Karimi, B. and Li, P.",
          "On Distributed Adaptive Optimization with Gradient Compression", "ICLR", 2022, "2205.05632"),
    Paper("efficientadam2023", "Chen, C. and Shen, L. and Liu, W. and Luo, Z.-Q.",
          "Efficient-Adam: Communication-Efficient Distributed Adam", "IEEE Transactions on Signal Processing 71",
          2023, "2205.14473"),
    Paper("dettmers2022", "Dettmers, T. and Lewis, M. and Shleifer, S. and Zettlemoyer, L.",
          "8-bit Optimizers via Block-wise Quantization", "ICLR", 2022, "2110.02861"),
    Paper("drori2014", "Drori, Y. and Teboulle, M.",
          "Performance of First-Order Methods for Smooth Convex Minimization: A Novel Approach",
          "Mathematical Programming 145", 2014, "1206.3209"),
    Paper("taylor2017", "Taylor, A. B. and Hendrickx, J. M. and Glineur, F.",
          "Smooth Strongly Convex Interpolation and Exact Worst-Case Performance of First-Order Methods",
          "Mathematical Programming 161", 2017, "1502.05666"),
    Paper("abbaszadehpeivasti2021", "Abbaszadehpeivasti, H. and de Klerk, E. and Zamani, M.",
          "The Exact Worst-Case Convergence Rate of the Gradient Method with Fixed Step Lengths for L-Smooth Functions",
          "Optimization Letters 16", 2022, "2104.05468"),
    Paper("ghadimi2013", "Ghadimi, S. and Lan, G.",
          "Stochastic First- and Zeroth-Order Methods for Nonconvex Stochastic Programming",
          "SIAM Journal on Optimization 23", 2013, "1309.5549"),
    Paper("ghadimi2015", "Ghadimi, E. and Feyzmahdavian, H. R. and Johansson, M.",
          "Global Convergence of the Heavy-Ball Method for Convex Optimization", "European Control Conference", 2015,
          "1412.7457"),
    Paper("vankov2024", "Vankov, D. and Rodomanov, A. and Nedich, A. and Sankar, L. and Stich, S. U.",
          "Optimizing (L0, L1)-Smooth Functions by Gradient Methods", "arXiv", 2024, "2410.10800"),
    Paper("chen2019", "Chen, X. and Liu, S. and Sun, R. and Hong, M.",
          "On the Convergence of A Class of Adam-Type Algorithms for Non-Convex Optimization", "ICLR", 2019,
          "1808.02941"),
    Paper("zhou2019", "Zhou, Z. and Zhang, Q. and Lu, G. and Wang, H. and Zhang, W. and Yu, Y.",
          "AdaShift: Decorrelation and Convergence of Adaptive Learning Rate Methods", "ICLR", 2019, "1810.00143"),
    Paper("savarese2019", "Savarese, P.", "On the Convergence of AdaBound and its Connection to SGD", "arXiv", 2019,
          "1908.04457"),
    Paper("alacaoglu2020", "Alacaoglu, A. and Malitsky, Y. and Mertikopoulos, P. and Cevher, V.",
          "A New Regret Analysis for Adam-Type Algorithms", "ICML", 2020, "2003.09729"),
    Paper("xie2024adamw", "Xie, S. and Li, Z.", "Implicit Bias of AdamW: $\\ell_\\infty$ Norm Constrained Optimization",
          "ICML", 2024, "2404.04454"),
    Paper("ahn2024", "Ahn, K. and Zhang, Z. and Kook, Y. and Dai, Y.",
          "Understanding Adam Optimizer via Online Learning of Updates: Adam is FTRL in Disguise", "ICML", 2024,
          "2402.01567"),
    Paper("cutkosky2020", "Cutkosky, A. and Mehta, H.", "Momentum Improves Normalized SGD", "ICML", 2020,
          "2002.03305"),
    Paper("chen2020clipping", "Chen, X. and Wu, Z. S. and Hong, M.",
          "Understanding Gradient Clipping in Private SGD: A Geometric Perspective", "NeurIPS", 2020, "2006.15429"),
    Paper("bernstein2019", "Bernstein, J. and Zhao, J. and Azizzadenesheli, K. and Anandkumar, A.",
          "signSGD with Majority Vote is Communication Efficient and Fault Tolerant", "ICLR", 2019, "1810.05291"),
    Paper("chen2020vote", "Chen, X. and Chen, T. and Sun, H. and Wu, Z. S. and Hong, M.",
          "Distributed Training with Heterogeneous Data: Bridging Median- and Mean-Based Algorithms", "NeurIPS", 2020,
          "1906.01736"),
    Paper("fatkhullin2023", "Fatkhullin, I. and Tyurin, A. and Richt{\\'a}rik, P.",
          "Momentum Provably Improves Error Feedback!", "NeurIPS", 2023, "2305.15155"),
    Paper("mishchenko2019", "Mishchenko, K. and Gorbunov, E. and Tak{\\'a}{\\v{c}}, M. and Richt{\\'a}rik, P.",
          "Distributed Learning with Compressed Gradient Differences", "arXiv", 2019, "1901.09269"),
    Paper("harvey2019", "Harvey, N. J. A. and Liaw, C. and Plan, Y. and Randhawa, S.",
          "Tight Analyses for Non-smooth Stochastic Gradient Descent", "COLT", 2019, "1812.05217"),
    Paper("rex2021", "Chen, J. and Wolfe, C. and Kyrillidis, A.",
          "REX: Revisiting Budgeted Training with an Improved Schedule", "MLSys", 2022, "2107.04197"),
    Paper("defazio2023", "Defazio, A. and Cutkosky, A. and Mehta, H. and Mishchenko, K.",
          "Optimal Linear Decay Learning Rate Schedules and Further Refinements", "arXiv", 2023, "2310.07831"),
    Paper("power2024", "Shen, Y. and Stallone, M. and Mishra, M. and Zhang, G. and others",
          "Power Scheduler: A Batch Size and Token Number Agnostic Learning Rate Scheduler", "arXiv", 2024,
          "2408.13359"),
    Paper("annealing2024", "Tissue, H. and Wang, V. and Wang, L.", "Scaling Law with Learning Rate Annealing", "arXiv",
          2024, "2408.11029"),
    Paper("tyurin2024", "Tyurin, A.",
          "From Logistic Regression to the Perceptron Algorithm: Exploring Gradient Descent with Large Step Sizes",
          "AAAI", 2025, "2412.08424"),
    Paper("infinite2025", "Singh, V. and Janson, P. and Mehrbod, P. and Ibrahim, A. and others",
          "Beyond Cosine Decay: On the Effectiveness of Infinite Learning Rate Schedule for Continual Pre-training",
          "arXiv", 2025, "2503.02844"),
    Paper("zhang2024mini", "Zhang, Y. and Chen, C. and Li, Z. and Ding, T. and Wu, C. and Kingma, D. P. and Ye, Y. "
          "and Luo, Z.-Q. and Sun, R.", "Adam-mini: Use Fewer Learning Rates To Gain More", "ICLR", 2025,
          "2406.16793"),
    Paper("chen2024mofo", "Chen, Y. and Wang, S. and Zhang, Y. and Lin, Z. and Zhang, H. and Sun, W. and Ding, T. and "
          "Sun, R.", "MoFO: Momentum-Filtered Optimizer for Mitigating Forgetting in LLM Fine-Tuning",
          "Transactions on Machine Learning Research", 2025, "2407.20999"),
    Paper("you2020lamb", "You, Y. and Li, J. and Reddi, S. and Hseu, J. and Kumar, S. and Bhojanapalli, S. and Song, X. "
          "and Demmel, J. and Keutzer, K. and Hsieh, C.-J.",
          "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", "ICLR", 2020, "1904.00962"),
    Paper("pan2024lisa", "Pan, R. and Liu, X. and Diao, S. and Pi, R. and Zhang, J. and Han, C. and Zhang, T.",
          "LISA: Layerwise Importance Sampling for Memory-Efficient Large Language Model Fine-Tuning", "NeurIPS", 2024,
          "2403.17919"),
    Paper("zhao2024galore", "Zhao, J. and Zhang, Z. and Chen, B. and Wang, Z. and Anandkumar, A. and Tian, Y.",
          "GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection", "ICML", 2024, "2403.03507"),
    Paper("he2024golore", "He, Y. and Li, P. and Hu, Y. and Chen, C. and Yuan, K.",
          "Subspace Optimization for Large Language Models with Convergence Guarantees", "ICML", 2025, "2410.11289"),
    Paper("jordan2024muon", "Jordan, K. and Jin, Y. and Boza, V. and You, J. and Cesista, F. and Newhouse, L. and "
          "Bernstein, J.", "Muon: An optimizer for hidden layers in neural networks", "unpublished", 2024,
          url="https://kellerjordan.github.io/posts/muon/"),
    Paper("vyas2024soap", "Vyas, N. and Morwani, D. and Zhao, R. and Kwun, M. and Shapira, I. and Brandfonbrener, D. and "
          "Janson, L. and Kakade, S.", "SOAP: Improving and Stabilizing Shampoo using Adam", "ICLR", 2025, "2409.11321"),
    Paper("liu2025cosmos", "Liu, L. and Xu, Z. and Zhang, Z. and Kang, H. and Li, Z. and Liang, C. and Chen, W. and "
          "Zhao, T.", "COSMOS: A Hybrid Adaptive Optimizer for Memory-Efficient Training of LLMs", "arXiv", 2025,
          "2502.17410"),
    Paper("malladi2023", "Malladi, S. and Gao, T. and Nichani, E. and Damian, A. and Lee, J. D. and Chen, D. and Arora, S.",
          "Fine-Tuning Language Models with Just Forward Passes", "NeurIPS", 2023, "2305.17333"),
    Paper("defazio2023dadaptation", "Defazio, A. and Mishchenko, K.", "Learning-Rate-Free Learning by D-Adaptation", "ICML",
          2023, "2301.07733"),
    Paper("mishchenko2023prodigy", "Mishchenko, K. and Defazio, A.",
          "Prodigy: An Expeditiously Adaptive Parameter-Free Learner", "ICML", 2024, "2306.06101"),
    Paper("ivgi2023dog", "Ivgi, M. and Hinder, O. and Carmon, Y.",
          "DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule", "ICML", 2023, "2302.12022"),
    Paper("cutkosky2023mechanic", "Cutkosky, A. and Defazio, A. and Mehta, H.", "Mechanic: A Learning Rate Tuner",
          "NeurIPS", 2023, "2306.00144"),
    Paper("wang2024fedhyper", "Wang, Z. and Wang, J. and Li, A.",
          "FedHyper: A Universal and Robust Learning Rate Scheduler for Federated Learning with Hypergradient Descent",
          "ICLR", 2024, "2310.03156"),
    Paper("chen2024aid", "Chen, C. and Shen, L. and Xu, Z. and Liu, W. and Luo, Z.-Q. and Zhao, P.",
          "Exploring the Generalization Capabilities of AID-based Bi-level Optimization", "arXiv", 2024, "2411.16081"),
    Paper("pan2024scalebio", "Pan, R. and Zhang, D. and Zhang, H. and Pan, X. and others",
          "ScaleBiO: Scalable Bilevel Optimization for LLM Data Reweighting", "arXiv", 2024, "2406.19976"),
    Paper("lyle2024", "Lyle, C. and Zheng, Z. and Khetarpal, K. and Martens, J. and others",
          "Normalization and Effective Learning Rates in Reinforcement Learning", "NeurIPS", 2024, "2407.01800"),
    Paper("kim2025periln", "Kim, J. and Lee, B. and Park, C. and Oh, Y. and others",
          "Peri-LN: Revisiting Normalization Layer in the Transformer Architecture", "ICML", 2025, "2502.02732"),
    Paper("applegate2021", "Applegate, D. and D{\\'i}az, M. and Hinder, O. and Lu, H. and others",
          "Practical Large-Scale Linear Programming using Primal-Dual Hybrid Gradient", "NeurIPS", 2021, "2106.04756"),
    Paper("fu2023", "Fu, D. and Chen, T.-Q. and Jia, R. and Sharan, V.",
          "Transformers Learn to Achieve Second-Order Convergence Rates for In-Context Linear Regression", "NeurIPS",
          2024, "2310.17086"),
    Paper("li2023remax", "Li, Z. and Xu, T. and Zhang, Y. and Lin, Z. and others",
          "ReMax: A Simple, Effective, and Efficient Reinforcement Learning Method for Aligning Large Language Models",
          "ICML", 2024, "2310.10505"),
    Paper("liu2023wtacrs", "Liu, Z. and Wang, G. and Zhong, S. and Xu, Z. and others",
          "Winner-Take-All Column Row Sampling for Memory Efficient Adaptation of Language Model", "NeurIPS", 2023,
          "2305.15265"),
]  # fmt: skip

PAPERS = {paper.key: paper for paper in _TABLE}


def paper(key: str) -> Paper:
    """Return a paper by key.

    Raises
    ------
    ValueError
        With the nearest keys, if there is none.
    """
    checks.known("paper", key, PAPERS)
    return PAPERS[key]


def check_id(what: str, id: str) -> None:
    """Raise ValueError unless an id is a paper's key, a dot and a label.

    Whether there is such a paper is asked of the catalogue, since a paper may be a module's own.
    """
    key, dot, label = id.partition(".")
    if not (_KEY.fullmatch(key) and dot and label):
        raise ValueError(
            f"id = {id!r} of a {what} must be a paper's key, a dot and a label, as in reddi2018.R1."
        )
