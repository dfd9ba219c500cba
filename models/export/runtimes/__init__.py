"""The runtimes that models leave for, each in one file: to write its form, and to run it."""
