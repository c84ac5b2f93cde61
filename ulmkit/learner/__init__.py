"""The model as a fastai Learner, for notebooks: the only room that imports fastai's training loop."""
