"""Who may ask the MLflow server of a stack: its owner's processes, and whoever shows its token"""
