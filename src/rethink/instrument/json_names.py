"""What each name in the JSON of `rethink measure` is; the names are stable."""

JSON_NAMES = {
    "source, instances, features, classes, class_counts": "the table",
    "best_guess, best_guess_interval": "accuracy of naming the commonest class; its 95 % interval",
    "dictionary_bits": "bits that write all labels down",
    "thresholds": (
        "Algorithm 1: `per_class` and `total` with tied rows in the order of the file; "
        "`expected`, `expected_per_class`, `minimum` and `maximum` over all orders of the "
        "ties"
    ),
    "sums": (
        "`decimals` that row sums were counted in exactly (null: floating point), `digits` "
        "that they were cut to"
    ),
    "requirement_bits, requirement_bits_times_features": (
        "from the expected thresholds: the report's first edition and its second"
    ),
    "clusters, max_capacity_bits, estimated_capacity_bits": (
        "nntailoring's binary form, in the order of the file; also given for more classes"
    ),
    "null": (
        "thresholds of as many labels in random order: `expected`, `sd`, and the `z` of the "
        "expected thresholds"
    ),
    "progression": (
        "Algorithm 2: `share`, `instances`, `thresholds`, `decision_points` and `null` of "
        "growing random parts"
    ),
    "orders": (
        "neighbours that differ by measures that see the classes, each with its interval and null"
    ),
    "best_columns": "the column with the fewest thresholds, as chosen on either half of the rows",
    "growth": "nearest neighbours among more and more rows",
    "separation": "1 less the share of differing nearest neighbours over that of chance",
    "turned": (
        "rows whose nearest neighbour agrees among all rows but not among half of them, or "
        "the reverse"
    ),
    "column_p": "p value of the strongest rank sum of a class along a column",
    "learners": (
        "for a tree, a forest and a network, estimates by the order that stands for it: "
        "`open_bits`, bits of the labels that the features leave open at the most (Fano's "
        "inequality; no capacity); `overfit_risk`, errors on new rows over those of naming the "
        "commonest class (no probability); both with `_interval`, from the 95 % interval of the "
        "share; `null_open_bits`, for labels in random order: all of their bits; `order`"
    ),
    "enough_data": "`verdict` (one class, too few, no signal, growing, flat) and its sentence",
    "duplicates, contradictions": (
        "rows with the features of an earlier row, and with those of a row of another class; "
        "of tables counted from the disk, among the sample"
    ),
    "table, notes": "what was done to the table, and what its owner should look at",
}
