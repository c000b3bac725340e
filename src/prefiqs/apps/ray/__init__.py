"""Work in many processes and on many machines with Ray. Workers read images and weights and write large results
themselves, so every machine must see these files under the same path. Only names and small results go through Ray."""
