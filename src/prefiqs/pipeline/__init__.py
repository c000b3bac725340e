"""What only the compendium needs: parameters, the layout of artefacts, notebooks and their studies."""
