a = A
b = { $x } B
