"""The paper's Tables 1 to 5 with this run's numbers, and beside each a companion with the printed ones.

Our numbers and the paper's meet only in a companion, and there only where the setting is the paper's.
"""
