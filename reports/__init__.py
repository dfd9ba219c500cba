"""What a person should see: tables, plots, galleries and pages."""
