"""The site of an allocation of Slurm, which the run is itself a job of."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lab import paths
from lab.clusters.slurm import slurm
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import MultiNode
from lab.experiment.sites import Here, Site


@contextlib.contextmanager
def slurm_site(parameters: MultiNode | Own, data: Path | None, run_id: str) -> Iterator[Site]:
    """Start Ray on the nodes of the allocation; its token is in the folder of the rows, which they share."""
    most, megabytes = max(parameters.nodes), parameters.object_store_megabytes
    folder = data or paths.data_folder()
    with slurm(most, megabytes, parameters.wait_seconds, folder, run_id) as (cluster, check):
        yield Here(cluster, parameters.wait_seconds, check)
