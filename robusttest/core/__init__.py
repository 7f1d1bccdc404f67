"""The ground floor: the nouns, names, secrets and files that every other room uses."""
