"""The page of `app`: what is offered, what a person orders, the runs that answer it, the page and its server.

Everything but `page` and `server` does without Gradio. Nothing is sampled here in a way of its own: an order becomes a
command line of `sample`.
"""
