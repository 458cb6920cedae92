"""Work that answers: a registered model version becomes an HTTP endpoint."""
