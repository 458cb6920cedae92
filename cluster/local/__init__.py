"""The local stack: MLflow, a Ray head and control on this machine, planned, started, watched and stopped"""
