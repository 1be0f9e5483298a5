"""The axis vocabulary: every shape in a docstring is spelled with these names.

=========  ==============================================================
``Object``  independent objects: the pixels of an image, or spectra
``Draw``    posterior draws of one object
``Param``   parameters of the model, in the order of ``GalaxyModel.names``
``Band``    photometric bands
``Sub``     pieces that a band is cut into for the dust screen
``Wave``    wavelengths
``Age``     ages of the simple stellar populations (SSPs), young to old
``Met``     metallicities [M/H] of the SSPs, poor to rich
``Line``    nebular emission lines
``Grid``    points of the log-wavelength grid that spectra are broadened on
``Pixel``   pixels of a spectrograph
``Window``  grid cells that one pixel sees
``Term``    terms of the polynomial that a spectrum is multiplied with
=========  ==============================================================
"""
