"""The application: command line, catalogue, jobs, report, plots on the terminal, benchmark."""
