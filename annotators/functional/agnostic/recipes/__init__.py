"""One file per recipe: the file name is the recipe's, its RECIPE tells `annotators.agnostic` how to call it."""
