"""Work on many processes and machines through Ray. Workers read images and weights and write large results themselves,
so every machine must see these files under the same path; only names and small results travel through Ray."""
