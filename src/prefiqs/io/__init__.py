"""Every file format: one reader and one writer each. Files appear whole or not at all."""
