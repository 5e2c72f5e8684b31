"""What stands between the network and the page: who may come in, how often, how large, and what is written down.

Plain ASGI, so that it guards every route alike: the page's, Gradio's own, the article pages and MCP.
"""
