"""What joins the stages, as functions of values: what the command line asks for, and a notebook too."""
