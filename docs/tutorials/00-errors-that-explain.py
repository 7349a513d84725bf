# %% [markdown]
# # Errors that explain themselves
#
# Sooner or later something is refused. This page shows what an error of Cloacina carries with it, so that the first
# one you meet is an old acquaintance.
#
# ## Every error has a code
#
# The code is stable: it stays the same when the wording of a message changes.

# %%
from cloacina.errors import errors_by_code

errors = errors_by_code()
kind = errors["CLO-1204"]
print(kind.__name__)

# %% [markdown]
# ## Cause and mend
#
# Beside the code, a class says what brings the error about in general, and what to do about it.

# %%
print("Cause:", kind.cause)
print("Mend: ", kind.mend)

# %% [markdown]
# ## The message
#
# The message of a particular error says what was found. Its text ends with the code, and with the address of the
# [entry in the reference](../../reference/errors/#clo-1204).

# %%
print(kind("The file report.csv did not appear within 30 s."))
