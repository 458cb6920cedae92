"""What MLflow's server says of entries that its database refuses, and of databases that fail over.

Tested with MLflow 3.17 on SQLite and PostgreSQL. Where it says otherwise, a refused entry is sent again
for a minute and then dropped. Nothing here imports MLflow.
"""

from __future__ import annotations

REFUSALS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
"""The server has read the request and will say the same next time."""
REFUSED_BY_DATABASE = ("/gkpj)", "/9h9h)")
"""Part of the message where an entry names a model that is not there, or holds what a column does not.

SQLAlchemy's codes of IntegrityError and DataError, on which its messages end: drivers have names of their
own, such as psycopg.errors.ForeignKeyViolation.
"""
DOUBTFUL = ("BAD_REQUEST", "INTERNAL_ERROR")
"""MLflow says these of a bad entry, and also of a database that fails over."""
