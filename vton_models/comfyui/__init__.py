"""Nodes for ComfyUI: load a system, prepare what it reads of photos, draw a mask, sample; thin wrappers of `sample`.

A file in ComfyUI's `custom_nodes` that imports all of this module brings them; `workflow.json`, in the format of its
API, is a try-on to begin with. Nothing here imports ComfyUI.
"""

from vton_models.comfyui.nodes import NODES

NODE_CLASS_MAPPINGS = {node.__name__: node for node in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.__name__: node.TITLE for node in NODES}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
