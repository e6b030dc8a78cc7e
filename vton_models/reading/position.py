"""How far the processes of a reader are: epoch and settings in shared memory, the next batch in each process."""

from dataclasses import dataclass, replace

import torch

from vton_models.reading.order import Settings

_SLOTS = 1024  # one per loader worker, behind the main process's


@dataclass(frozen=True)
class State:
    """The rank's next batch in an epoch; of one loader worker where `worker` is (number, of how many)."""

    epoch: int
    batch: int
    worker: tuple[int, int] | None = None


class Progress:
    """Epochs are counted in shared memory, since a loader gives its workers a fresh copy of the dataset each epoch.

    Slot 0 is the epoch that was begun last; slot w + 2 the next one of worker w, slot 1 that of the main process.
    Seed, shares and window lie there too: a worker may load a state of others, which later epochs then keep.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loadable = torch.tensor([settings.seed, settings.shares, settings.window]).share_memory_()
        self._epochs = torch.zeros(_SLOTS + 2, dtype=torch.int64).share_memory_()
        self._here = State(0, 0)
        self._loaded: State | None = None

    @property
    def settings(self) -> Settings:
        seed, shares, window = self._loadable.tolist()
        return replace(self._settings, seed=seed, shares=shares, window=window)

    @property
    def epoch(self) -> int:
        """The epoch that any process began last."""
        return int(self._epochs[0])

    def begin(self, worker: int | None, workers: int) -> tuple[int, int]:
        """(epoch, first batch) of a process that starts to iterate. Raises ValueError for another worker's state."""
        slot = 1 if worker is None else worker + 2
        epoch = int(self._epochs[slot])
        self._epochs[slot], self._epochs[0] = epoch + 1, epoch
        start, me = worker or 0, None if worker is None else (worker, workers)
        if self._loaded and self._loaded.epoch == epoch:
            if self._loaded.worker not in (None, me):
                raise ValueError(
                    f"the state is of worker {self._loaded.worker}, this is worker {me} (number, of how many)"
                )
            start = self._loaded.batch + (0 if self._loaded.worker else start)
        self._here = State(epoch, start, me)
        return epoch, start

    def done(self, following: int) -> None:
        """The batch before `following` is about to be handed out."""
        self._here = State(self._here.epoch, following, self._here.worker)

    def state(self) -> State:
        return self._here

    def load(self, state: State, settings: Settings) -> None:
        """The next iteration begins there, with the settings' seed, shares and window.

        In a loader's worker only that worker's epoch is set.
        """
        self._loadable[:] = torch.tensor([settings.seed, settings.shares, settings.window])
        info = torch.utils.data.get_worker_info()
        if info:
            self._epochs[info.id + 2] = state.epoch
        else:
            self._epochs[:] = state.epoch
        self._loaded = self._here = state
