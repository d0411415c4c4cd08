"""How SQL text is written. Whoever writes some quotes with `quoting`.

Who does what:

    quoting       identifiers, literals, and text composed of them
    object_names  the names of objects, as statements write them
    options       lists of options, and the way from one to another
    casts         which casts there are between types
    widening      which changes of a type keep all values
    migra         what schemainspect and migra write
"""
