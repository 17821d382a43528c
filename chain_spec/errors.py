"""What is wrong with a chain spec."""

from primitives.errors import CessError

__all__ = ["ChainSpecError"]


class ChainSpecError(CessError):
    """A chain spec that cannot be used: where in the document, what is wrong and what to do.

    ``path`` names the place as in ``genesis.runtimeGenesis.config.constants.plot_k``.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem
