"""The one place where fastai is imported, by its narrow modules, with its two import warnings held back."""

import warnings

with warnings.catch_warnings():
    # fastai decorates two layers, neither ours, with torch.jit.script while it is imported
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
    # and it sets a pandas option that pandas 3 no longer has a use for
    warnings.filterwarnings("ignore", message="The 'mode.chained_assignment' option is deprecated")
    import fastai.callback.schedule  # adds fit_one_cycle and lr_find to Learner
    from fastai.callback.core import (
        Callback,
        CancelBackwardException,
        CancelBatchException,
        CancelFitException,
        CancelStepException,
        TrainEvalCallback,
    )
    from fastai.callback.training import GradientClip
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner, Metric, Recorder
    from fastai.optimizer import SGD, Optimizer
    from fastcore.foundation import L

ParamScheduler = fastai.callback.schedule.ParamScheduler
combined_cos = fastai.callback.schedule.combined_cos

__all__ = [
    "SGD",
    "Callback",
    "CancelBackwardException",
    "CancelBatchException",
    "CancelFitException",
    "CancelStepException",
    "DataLoaders",
    "GradientClip",
    "L",
    "Learner",
    "Metric",
    "Optimizer",
    "ParamScheduler",
    "Recorder",
    "TrainEvalCallback",
    "combined_cos",
]
