"""soundfile (cffi's ABI mode) and pyvips (its API mode), given awkward arrays."""

import io

import numpy as np
import pyvips
import soundfile
from known_arrays import case, describe, output, show, source

describe(soundfile.write, soundfile._snd.sf_writef_float, pyvips.Image.new_from_array)

x = source(100_003, "f4")
sound = io.BytesIO()
soundfile.write(sound, x, 8000, format="WAV")  # CASE write-control
show(len(sound.getvalue()))
x = source((2, 100_019))
sound = io.BytesIO()
soundfile.write(sound, x.T, 8000, format="WAV")  # CASE write-order
show(len(sound.getvalue()))
x = source(200_086)
case(100_043)
sound = io.BytesIO()
soundfile.write(sound, x[::2], 8000, format="WAV")  # CASE write-strided
show(len(sound.getvalue()))
x = source(100_049, "i4")
sound = io.BytesIO()
soundfile.write(sound, x, 8000, format="WAV")  # CASE write-int-control
show(len(sound.getvalue()))
x = source(100_057).tolist()
sound = io.BytesIO()
soundfile.write(sound, x, 8000, format="WAV")  # CASE write-list
show(len(sound.getvalue()))
sound.seek(0)
show(output(soundfile.read(sound)))  # CASE read-control

m = source((311, 337), "f4")
show(pyvips.Image.new_from_array(m).avg())  # CASE image-control
m = source((347, 313), "f4")
show(pyvips.Image.new_from_array(m.T).avg())  # CASE image-order
m = source((353, 331), "f4")
image = pyvips.Image.new_from_memory(m, 331, 353, 1, "float")  # CASE memory-control
show(np.asarray(image))  # CASE back-control
show(image.numpy("f8"))  # CASE back-dtype
