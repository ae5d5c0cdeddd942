"""`make audit`: what is known to be dangerous, in our code and in the packages it stands on."""
