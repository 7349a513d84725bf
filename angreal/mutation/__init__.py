"""Which changes of the code does no test notice? `angreal mutants` runs this package as a program."""
