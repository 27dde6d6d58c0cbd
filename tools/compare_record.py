"""Say in one line why a run gave other bytes than HEAD records, if it did: python -m tools.compare_record."""

from pathlib import Path

from redacoes.tracking.machines import told


def main() -> None:
    """Print a sentence where the processor alone can be the reason; where nothing differs, nothing."""
    if said := told(Path()):
        print(f"note: {said}")


if __name__ == "__main__":
    main()
