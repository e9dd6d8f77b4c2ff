"""Training in several processes: on one machine by torchrun, on several by a TrainJob of Kubeflow Trainer."""
