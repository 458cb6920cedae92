"""The store of a job's processes: MLflow's, for which there is one run"""
