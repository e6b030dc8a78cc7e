"""DensePose R_50_FPN_s1x in plain torch, for inference: no detectron2, no torchvision.

`network.DensePoseRcnn` finds people and their surface coordinates, `checkpoint` reads the published weights,
`decode` turns network outputs into label maps. Sources: Güler 2018 (DensePose, arXiv:1802.00434),
Ren 2015 (Faster R-CNN, arXiv:1506.01497), Lin 2017 (FPN, arXiv:1612.03144), He 2016 (ResNet, arXiv:1512.03385);
constants and tensor names as in facebookresearch/detectron2, projects/DensePose.
"""
