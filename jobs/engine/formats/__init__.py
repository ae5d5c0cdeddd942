"""Reading and writing file formats, without the database: child processes start here."""
