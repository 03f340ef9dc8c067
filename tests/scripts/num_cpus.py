"""A script that asks for so many CPUs, as on a laptop, and tells how many it has got."""

import ray

ray.init(num_cpus=64, object_store_memory=10**9, include_dashboard=False, ignore_reinit_error=True)
print("lab: units=" + str(int(ray.cluster_resources()["CPU"])))
