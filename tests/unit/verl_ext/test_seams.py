# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Where HPT touches verl, one test per row of docs/reference/verl-seams.md.

Each test looks at the installed verl itself. After an upgrade, the tests that fail name what has moved.
"""

import ast
import importlib
import importlib.util
import inspect
import re
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from hpt.verl_ext.names import verl_reference

PACKAGE = Path(__file__).resolve().parents[3] / "hpt" / "verl_ext"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def names(function: Any) -> list[str]:
    """Names of a function's parameters, in order."""
    return list(inspect.signature(function).parameters)


def sets(cls: type, *attributes: str) -> None:
    """Assert that the source of a class assigns or defines these attributes."""
    source = inspect.getsource(cls)
    for attribute in attributes:
        assert re.search(rf"self\.{attribute}\b[^\n]*=|def {attribute}\b|^    {attribute}\b", source, re.M), attribute


def config() -> Any:
    """verl's composed trainer configuration."""
    import verl.trainer.config

    return OmegaConf.load(Path(verl.trainer.config.__file__).parent / "_generated_ppo_trainer.yaml")


def imports() -> list[tuple[str, str]]:
    """(module, name) of everything that hpt imports from verl."""
    found = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("verl", "transfer_queue"):
                found |= {(str(node.module), alias.name) for alias in node.names}
    return sorted(found)


@pytest.mark.parametrize(("module", "name"), [each for each in imports() if "vllm" not in each[0]])
def test_import(module, name):
    assert hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}")


# ---- trainer ----


def test_trainer_registry():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer, get_trainer_cls, register_trainer
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

    assert names(register_trainer) == ["name"]
    assert get_trainer_cls("sync") is PPOTrainerSync
    assert issubclass(PPOTrainerSync, PPOTrainer)


def test_trainer_that_samples_ahead():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer, get_trainer_cls
    from verl.trainer.ppo.v1.trainer_colocate_async import PPOTrainerColocateAsync

    assert get_trainer_cls("colocate_async") is PPOTrainerColocateAsync
    assert issubclass(PPOTrainerColocateAsync, PPOTrainer)
    assert "num_warmup_batches" in config().trainer.v1.colocate_async
    # Rows that wait at a checkpoint are saved with it, before the step's own have left.
    save, loop = inspect.getsource(PPOTrainer._save_checkpoint), inspect.getsource(PPOTrainer.fit)
    assert re.search(r'tq.save_checkpoint\(\s*os.path.join\(local_global_step_folder, "transfer_queue"\)', save)
    assert loop.index("self._save_checkpoint()") < loop.index("tq.kv_clear(keys=batch.keys")
    # An update ends unfinished samples, and the client goes on with them.
    assert "abort_replicas()" in inspect.getsource(PPOTrainerColocateAsync.on_sample_end)
    assert "resume_generation_replicas()" in inspect.getsource(PPOTrainerColocateAsync.on_step_end)


def test_trainer_step():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    source = inspect.getsource(PPOTrainer._step_once)
    order = ["replay_buffer.sample", "_balance_batch", "_compute_old_log_prob", "_compute_ref_log_prob"]
    order += ["_compute_advantage", "_update_actor"]
    places = [source.index(name) for name in order]
    assert places == sorted(places)
    assert names(PPOTrainer._step_once) == ["self", "metrics", "timing_raw", "sample_batch_size"]
    for method in ("_compute_old_log_prob", "_compute_ref_log_prob", "_compute_advantage", "_update_actor"):
        assert names(getattr(PPOTrainer, method)) == ["self", "batch", "metrics"], method


def test_trainer_balance_batch():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    # The hybrid trainer accepts and ignores further arguments: a new one has to be read before it is ignored.
    assert names(PPOTrainer._balance_batch) == ["self", "batch", "metrics", "logging_prefix", "keep_minibatch"]
    assert not re.search(r"_balance_batch\([^)]*keep_minibatch", inspect.getsource(PPOTrainer._step_once))


def test_trainer_hooks():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    expected = {
        "_build_replay_buffer": [],
        "_init_resource_pool_mgr": [],
        "_setup": [],
        "_init_dataloader": [],
        "_next_train_batch": ["num_prompts"],
        "get_llm_client": [],
        "prepare_step": [],
        "on_sample_end": [],
        "on_step_begin": [],
        "on_step_end": [],
        "fit": ["agent_loop_manager"],
        "_compute_metrics": ["batch", "metrics", "timing_raw", "global_steps", "epoch"],
        "_save_checkpoint": [],
        "_load_checkpoint": [],
        "_add_prompts_to_generate": ["num_prompts"],
        "on_sample_begin": [],
    }
    for method, parameters in expected.items():
        assert names(getattr(PPOTrainer, method)) == ["self", *parameters], method


def test_trainer_attributes():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    sets(PPOTrainer, "config", "global_steps", "steps_per_epoch", "total_training_steps", "parameter_sync_step")
    sets(PPOTrainer, "tokenizer", "train_dataset", "actor_rollout_wg", "role_worker_mapping", "use_reference_policy")
    sets(PPOTrainer, "ref_in_actor", "trainer_mode")


def test_trainer_mode_literal():
    from verl.trainer.ppo.v1 import trainer_base

    # The hybrid trainer shows verl the base mode, because verl compares the mode with this literal.
    assert re.search(r'self\.trainer_mode [!=]= "sync"', inspect.getsource(trainer_base))
    assert "trainer_mode" in config().trainer.v1


def test_trainer_checkpoint_mark():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    source = inspect.getsource(PPOTrainer._save_checkpoint)
    assert (
        source.index("latest_checkpointed_iteration.txt")
        > source.index('"data.pt"')
        > source.index("wg.save_checkpoint")
    )
    assert 'f"global_step_' in source


def test_replay_buffer_poll_interval():
    from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

    assert "poll_interval" in names(ReplayBuffer)
    sets(ReplayBuffer, "poll_interval")


def test_replay_buffer_wait():
    from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync

    sets(ReplayBuffer, "refill_fn", "partitions", "pending_keys", "running_keys")
    assert names(ReplayBuffer._wait_for_next_poll) == ["self", "partition_id", "last_debug_time"]
    for wait in (ReplayBuffer.sample, ReplayBufferAsync.wait_for_sampleable):
        source = inspect.getsource(wait)
        assert "last_debug_time = time.time()" in source  # a new wait is known by it
        assert "last_debug_time = self._wait_for_next_poll(partition_id, last_debug_time)" in source


def test_dispatch_info():
    from verl.single_controller.base import WorkerGroup

    source = inspect.getsource(importlib.import_module("verl.single_controller.base.decorator"))
    assert "_dispatch_info" in source and "_query_dispatch_info" in source
    sets(WorkerGroup, "_dispatch_info")


def test_roles():
    from verl.trainer.ppo.utils import Role, need_critic, need_reference_policy

    assert {"Actor", "ActorRollout", "ActorRolloutRef"} <= set(Role.__members__)
    assert len(names(need_critic)) == len(names(need_reference_policy)) == 1


# ---- loss and advantage ----


def test_policy_loss_registry():
    from verl.trainer.ppo.core_algos import get_policy_loss_fn, register_policy_loss

    assert names(register_policy_loss) == ["name"]
    expected = ["old_log_prob", "log_prob", "advantages", "response_mask", "loss_agg_mode", "config"]
    for loss in ("vanilla", "gspo", "cispo", "gpg"):
        assert names(get_policy_loss_fn(loss))[:6] == expected
    assert "rollout_is_weights" in names(get_policy_loss_fn("vanilla"))


def test_advantage_registry():
    from verl.trainer.ppo.core_algos import get_adv_estimator_fn, register_adv_est

    assert len(names(register_adv_est)) == 1
    assert names(get_adv_estimator_fn("grpo"))[:3] == ["token_level_rewards", "response_mask", "index"]
    assert get_adv_estimator_fn("gae") is not None


def test_actor_config():
    from verl.workers.config import ActorConfig

    assert {"clip_ratio_low", "clip_ratio_high", "clip_ratio_c"} <= set(names(ActorConfig))


def test_model_and_rollout_config():
    from verl.workers.config import HFModelConfig, RolloutConfig

    given = verl_reference().actor_rollout_ref
    for name, keys in (("model", HFModelConfig), ("rollout", RolloutConfig)):
        assert set(given[name]) <= {field.name for field in fields(keys)}


def test_kl_penalty():
    from verl.trainer.ppo.core_algos import kl_penalty

    assert names(kl_penalty) == ["logprob", "ref_logprob", "kl_penalty"]
    assert kl_penalty(torch.zeros(1, 2), torch.zeros(1, 2), "low_var_kl").tolist() == [[0.0, 0.0]]


def test_loss_function_of_the_worker():
    from verl.workers.engine_workers import ActorRolloutRefWorker, TrainingWorker

    for worker in (ActorRolloutRefWorker, TrainingWorker):
        assert names(worker.set_loss_fn) == ["self", "loss_fn"]
    source = inspect.getsource(importlib.import_module("verl.workers.engine.fsdp.transformer_impl"))
    assert re.search(r"loss_function\(\s*model_output=\w+, data=\w+, dp_group=", source)


def test_log_prob_passes():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer
    from verl.workers.engine_workers import ActorRolloutRefWorker
    from verl.workers.utils.padding import response_from_nested

    for name in ("compute_log_prob", "compute_ref_log_prob"):
        assert callable(getattr(ActorRolloutRefWorker, name))
    assert names(response_from_nested) == ["tensor", "response_mask"]
    source = inspect.getsource(PPOTrainer._compute_ref_log_prob)
    for text in ('"calculate_entropy"', '"compute_loss"', '"temperature"', '"no_lora_adapter"', '"log_probs"'):
        assert text in source, text
    assert "ref_policy_wg.compute_ref_log_prob(" in source and "actor_rollout_wg.compute_log_prob(" in source


def test_metric_sum():
    from verl.utils.metric import AggregationType, Metric, reduce_metrics

    parts = [Metric(AggregationType.SUM, torch.tensor(value)) for value in (1.0, 3.0)]
    assert float(Metric.aggregate_dp(parts)) == 2.0  # a mean over ranks, so the loss reports its parts times dp_size
    assert reduce_metrics({"x": [1.0, 3.0]}) == {"x": 2.0}


def test_padding_of_model_output():
    from verl.workers.utils.padding import no_padding_2_padding

    assert names(no_padding_2_padding)[:2] == ["tensor", "data"]


# ---- workers and engine ----


def test_worker_classes():
    from verl.workers.engine_workers import ActorRolloutRefWorker, TrainingWorker

    assert ActorRolloutRefWorker.actor_worker_cls is TrainingWorker
    assert ActorRolloutRefWorker.ref_worker_cls is TrainingWorker
    source = inspect.getsource(ActorRolloutRefWorker)
    assert "self.actor_worker_cls(config=" in source and "self.ref_worker_cls(config=" in source


def test_training_worker():
    from verl.workers.engine_workers import TrainingWorker

    assert names(TrainingWorker.__init__) == ["self", "config"]
    assert names(TrainingWorker.train_mini_batch) == names(TrainingWorker.train_batch) == ["self", "data"]
    sets(TrainingWorker, "engine", "engine_config")
    assert "self.profiler.step()" in inspect.getsource(TrainingWorker.train_mini_batch)
    assert "self.engine.initialize()" in inspect.getsource(TrainingWorker.reset)


def test_dispatch_mode():
    from verl.single_controller.base.decorator import Dispatch, register
    from verl.workers.engine_workers import ActorRolloutRefWorker

    assert "dispatch_mode" in names(register) and Dispatch.ONE_TO_ALL is not None
    source = inspect.getsource(ActorRolloutRefWorker)
    assert re.search(r"@register\(dispatch_mode=Dispatch.ONE_TO_ALL\)\n    def init_model\(self\)", source)


def test_engine():
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngine, FSDPEngineWithLMHead

    assert names(FSDPEngineWithLMHead.forward_step) == ["self", "micro_batch", "loss_function", "forward_only"]
    source = inspect.getsource(FSDPEngine.forward_backward_batch)
    assert "self.forward_step(micro_batch, loss_function=loss_function, forward_only=forward_only)" in source
    assert names(FSDPEngine.optimizer_step) == ["self"]
    # A second call would be an error, so we divide by the scale where we measure the gradient.
    assert "scaler.unscale_(self.optimizer)" in inspect.getsource(FSDPEngine.optimizer_step)
    sets(
        FSDPEngine,
        "module",
        "optimizer",
        "scaler",
        "train_mode",
        "get_data_parallel_group",
        "is_mp_src_rank_with_outputs",
    )


def test_engine_registry():
    from verl.workers.engine.base import EngineRegistry
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead, FSDPEngineWithValueHead

    assert {"model_type", "backend", "device"} <= set(names(EngineRegistry.register))
    assert {"fsdp", "fsdp2"} <= set(EngineRegistry._engines["language_model"])
    assert FSDPEngineWithLMHead is not FSDPEngineWithValueHead


def test_checkpoint_manager():
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager
    from verl.utils.fsdp_utils import get_fsdp_full_state_dict
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngine

    parameters = ["self", "local_path", "hdfs_path", "global_step", "max_ckpt_to_keep"]
    assert names(FSDPCheckpointManager.save_checkpoint) == parameters
    attributes = ("model", "optimizer", "lr_scheduler", "processing_class", "checkpoint_config", "trust_remote_code")
    assert set(attributes) <= set(names(FSDPCheckpointManager.__init__))
    held = "".join(inspect.getsource(each.__init__) for each in FSDPCheckpointManager.__mro__[:2])
    assert all(f"self.{name} = {name}" in held for name in attributes)
    assert "if self.should_save_hf_model:" in inspect.getsource(FSDPCheckpointManager.save_checkpoint)
    assert names(get_fsdp_full_state_dict) == ["model", "offload_to_cpu", "rank0_only"]
    assert "self.checkpoint_manager = FSDPCheckpointManager(" in inspect.getsource(FSDPEngine.initialize)
    assert "self.checkpoint_manager.save_checkpoint(" in inspect.getsource(FSDPEngine.save_checkpoint)


def test_merged_adapters():
    from verl.utils.fsdp_utils import merged_lora_context, normalize_peft_param_name
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngine

    assert "return self._merged_lora_per_tensor_param(), None" in inspect.getsource(FSDPEngine.get_per_tensor_param)
    assert names(FSDPEngine._merged_lora_per_tensor_param) == ["self"]
    assert names(merged_lora_context) == ["actor", "backup_adapters"]
    assert normalize_peft_param_name({"base_model.model.a.base_layer.weight": 1, "a.lora_A.x": 2}) == {"a.weight": 1}


def test_tensordict_utils():
    from tensordict import TensorDict
    from verl.utils import tensordict_utils as tu

    data = TensorDict({"x": torch.arange(3)}, batch_size=3)
    tu.assign_non_tensor(data, size=2, entry=tu.NonTensorData([1]))
    assert tu.pop(data, key="size") == 2 and tu.pop(data, key="absent", default=7) == 7
    assert tu.index_select_tensor_dict(data, [2])["x"].tolist() == [2]
    output = tu.get_tensordict(tensor_dict={}, non_tensor_dict={"metrics": {"a": 1}})
    assert tu.get(output, "metrics") == {"a": 1}
    rows = tu.list_of_dict_to_tensordict([{"t": torch.ones(1)}, {"t": torch.ones(2)}])
    assert rows["t"].is_nested


def test_balancing():
    from verl.utils.seqlen_balancing import (
        calculate_workload,
        get_seqlen_balanced_partitions,
        log_seqlen_unbalance,
    )

    workload = calculate_workload(torch.tensor([4, 3, 2, 1]))
    parts = get_seqlen_balanced_partitions(workload, k_partitions=2, equal_size=True)
    assert sorted(len(part) for part in parts) == [2, 2]
    assert log_seqlen_unbalance(seqlen_list=[4, 3, 2, 1], partitions=[list(part) for part in parts], prefix="p")


# ---- rows ----


def test_transfer_queue():
    import transfer_queue as tq
    from transfer_queue import KVBatchMeta

    for function, parameters in {
        "kv_batch_get": {"keys", "partition_id", "select_fields"},
        "kv_batch_put": {"keys", "partition_id", "fields", "tags"},
        "kv_clear": {"keys", "partition_id"},
        "kv_list": {"partition_id"},
    }.items():
        assert parameters <= set(names(getattr(tq, function))), function
    meta = KVBatchMeta(keys=["a", "b"], tags=[{}, {"x": 1}], partition_id="train", fields=["f"], extra_info={})
    assert meta.select_keys(["b"]).tags == [{"x": 1}] and len(meta) == 2


def test_rows_of_the_agent_loop():
    source = inspect.getsource(importlib.import_module("verl.trainer.ppo.v1.agent_loop_tq"))
    for name in ("prompt_len", "response_len", "seq_len", "min_global_steps", "max_global_steps"):
        assert name in source, name
    assert re.search(r'f"\{uid\}_\{[^}]+\}_\{[^}]+\}"', source)


def test_rollout_manager():
    from verl.trainer.main_ppo import TaskRunnerV1
    from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ
    from verl.workers.config import AgentLoopConfig

    from hpt.verl_ext.rollouts import RolloutManager

    assert AgentLoopConfig().agent_loop_manager_class is None
    source = inspect.getsource(TaskRunnerV1.__ray_metadata__.modified_class.init_agent_loop_manager)
    assert '"agent_loop_manager_class"' in source
    given = ["config", "llm_client", "teacher_client", "reward_loop_worker_handles"]
    assert re.findall(r"(\w+)=self\.", source.partition(".create(")[2]) == given
    assert names(AgentLoopManagerTQ.__bases__[0].__init__)[1:] == given
    assert names(RolloutManager.__init__)[1:] == given
    assert names(AgentLoopManagerTQ.generate_sequences) == names(RolloutManager.generate_sequences)


def test_rollout_server():
    from verl.workers.rollout.replica import RolloutReplicaRegistry

    assert names(RolloutReplicaRegistry.register)[-2:] == ["name", "loader"]
    # Read, not imported: importing these modules starts vLLM.
    server = parsed("vllm_async_server.py")
    assert server["vLLMHttpServer._park_until_admitted"] == ["self", "request_id"]
    assert server["vLLMHttpServer.lora_as_adapter"] == ["self"]
    source = text_of("vllm_async_server.py")
    for assigned in ("self.server_class = ", "self.engine = ", "self.global_steps = ", "self._admitting = "):
        assert assigned in source
    assert server["vLLMHttpServer.collective_rpc"] == ["self", "method", "timeout", "args", "kwargs"]
    assert all(f"{name} =" in text_of("utils.py") for name in ("VLLM_LORA_INT_ID", "VLLM_LORA_NAME", "VLLM_LORA_PATH"))


def test_rollout_client():
    from verl.workers.rollout.llm_server import LLMServerClient, LLMServerManager

    assert names(LLMServerManager.get_client) == ["self", "client_cls", "kwargs"]
    sets(LLMServerManager, "server_handles")
    assert names(LLMServerClient.__init__) == ["self", "config", "load_balancer_handle", "kwargs"]


def test_prompt_builder():
    from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

    assert {"hf_model_type", "chat_template_kwargs"} <= set(names(create_continuous_token_builder))


def test_reward_workers():
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager

    assert names(RewardLoopWorker.compute_score_batch) == ["self", "data"]
    assert '"reward_score": reward, "reward_extra_info": reward_extra_info' in inspect.getsource(NaiveRewardManager)


def test_batch_of_the_reward_workers():
    from verl import DataProto
    from verl.experimental.reward_loop.reward_manager import base, naive

    assert {"batch", "non_tensor_batch"} <= set(names(DataProto))
    source = inspect.getsource(base) + inspect.getsource(naive)
    assert all(f'batch["{name}"]' in source for name in ("prompts", "responses", "attention_mask"))


# ---- data, reward, launch ----


def test_dataset():
    from verl.utils.dataset.rl_dataset import RLHFDataset

    expected = ["self", "data_files", "tokenizer", "config", "processor", "max_samples"]
    assert names(RLHFDataset.__init__) == expected
    sets(RLHFDataset, "_read_files_and_tokenize", "original_data_files", "data_files", "dataframe", "__getstate__")
    assert {"path", "name"} <= set(config().data.custom_cls)


def test_reward_function():
    from verl.trainer.ppo.reward import get_custom_reward_fn

    assert names(get_custom_reward_fn) == ["config"]
    section = {"path": "pkg://hpt.verifier.reward", "name": "compute_score", "reward_kwargs": {}}
    loaded = get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": section}}))
    assert callable(loaded)
    assert {"path", "name", "reward_kwargs"} <= set(config().reward.custom_reward_function) | {"reward_kwargs"}


def test_task_runner():
    from verl.trainer.constants_ppo import get_ppo_ray_runtime_env
    from verl.trainer.main_ppo import TaskRunnerV1

    cls = TaskRunnerV1.__ray_metadata__.modified_class
    assert names(cls.run)[:2] == ["self", "config"]  # Ray adds one of its own
    assert "config" in names(get_ppo_ray_runtime_env)


def test_configuration():
    from verl.utils.config import omega_conf_to_dataclass, validate_config
    from verl.workers.config import ActorConfig

    assert {"config", "use_reference_policy", "use_critic"} <= set(names(validate_config))
    assert omega_conf_to_dataclass is not None and ActorConfig is not None
    for key in ("actor_rollout_ref.actor.policy_loss.loss_mode", "algorithm.adv_estimator", "trainer.use_v1"):
        assert OmegaConf.select(config(), key) is not None, key


def test_loggers():
    from verl.utils.tracking import Tracking

    assert {"console", "file", "tensorboard", "wandb"} <= set(Tracking.supported_backend)


def test_small_helpers():
    from verl.utils.debug import marked_timer
    from verl.utils.py_functional import append_to_dict
    from verl.utils.tokenizer import normalize_token_ids

    values: dict = {}
    append_to_dict(values, {"a": 1})
    assert values == {"a": [1]}
    timing: dict = {}
    with marked_timer("x", timing, color="red"):
        pass
    assert set(timing) == {"x"}
    assert list(normalize_token_ids([1, 2])) == [1, 2]


# ---- CPU ----


def test_plugin_group():
    assert "hpt" in {entry.name for entry in entry_points(group="verl.plugins")}
    source = Path(importlib.import_module("verl").__file__).read_text()
    assert 'group="verl.plugins"' in source


def test_platform():
    from verl.plugin.platform.platform_base import PlatformBase
    from verl.plugin.platform.platform_manager import PlatformRegistry

    from hpt.verl_ext.cpu.platform import PlatformCPU

    assert not PlatformCPU.__abstractmethods__  # verl asks for nothing that the CPU platform lacks
    assert issubclass(PlatformCPU, PlatformBase)
    assert PlatformRegistry.get("cpu") is PlatformCPU


def test_external_lib():
    assert "external_lib" in config().actor_rollout_ref.model
    source = inspect.getsource(importlib.import_module("verl.workers.config.model"))
    assert "import_external_libs(self.external_lib)" in source


def test_log_probs_of_labels(monkeypatch):
    """Without a fused kernel, verl computes log-probabilities with the function that the CPU platform replaces."""
    from verl.utils import torch_functional

    assert names(torch_functional.logprobs_from_logits_v2) == ["logits", "labels"]
    # As where flash-attn is installed. The spelling is verl's.
    monkeypatch.setattr(torch_functional, "FLAH_ATTN_CROSS_ENTROPY_LOSS_AVAILABLE", True)
    monkeypatch.setenv("VERL_DISABLE_FLASH_ATTN_CE", "1")
    monkeypatch.setattr(torch_functional, "logprobs_from_logits_v2", lambda logits, labels: "ours")
    assert torch_functional.logprobs_from_logits(torch.zeros(1, 2), torch.zeros(1)) == "ours"


def test_weight_transfer():
    # Read, not imported: importing these modules starts vLLM.
    transfer = parsed("bucketed_weight_transfer.py")
    assert transfer["BucketedWeightReceiver.__init__"] == ["self", "zmq_handle", "device", "use_shm"]
    assert transfer["BucketedWeightReceiver.receive_weights"] == ["self", "on_bucket_received"]
    extension = parsed("utils.py")
    update = extension["vLLMColocateWorkerExtension.update_weights_from_ipc"]
    assert update == ["self", "peft_config", "base_sync_done", "use_shm"]
    assert extension["vLLMColocateWorkerExtension._get_zmq_handle"] == ["self"]


def test_weight_socket():
    from hpt.verl_ext.weight_sync import JOB_ENV

    sender, receiver = text_of("vllm_rollout.py"), text_of("utils.py")
    name = r'f"(ipc:///tmp/rl-colocate-zmq-\{job_id\}-replica-[^"]+-rank-[^"]+)"'
    assert re.search(f"self.zmq_handle = {name}", sender) and re.search(f"return {name}", receiver)
    assert "job_id = ray.get_runtime_context().get_job_id()" in sender
    assert f'job_id = os.environ.get("{JOB_ENV}", "0")' in receiver


def test_weight_sync():
    from verl.checkpoint_engine.base import CheckpointEngineManager
    from verl.workers.engine_workers import ActorRolloutRefWorker
    from verl.workers.rollout.replica import RolloutReplica

    assert names(CheckpointEngineManager.__init__) == ["self", "config", "actor_wg", "replicas"]
    sets(CheckpointEngineManager, "config", "actor_wg", "replicas", "sleep_replicas")
    assert names(CheckpointEngineManager.update_weights) == ["self", "global_steps"]
    assert names(ActorRolloutRefWorker.update_weights) == ["self", "global_steps", "mode"]
    sets(RolloutReplica, "servers", "server_handle")
    assert "server.sleep.remote() for server in self.servers" in inspect.getsource(RolloutReplica.sleep)
    calls = "server.abort_all_requests.remote(reject_request=reject_request) for server in self.servers"
    assert calls in inspect.getsource(RolloutReplica.abort_all_requests)
    server = parsed("vllm_async_server.py")
    assert server["vLLMHttpServer.resume_engine_generation"] == ["self"]
    assert server["vLLMHttpServer.open_submission_gate"] == ["self"]
    source = inspect.getsource(CheckpointEngineManager.update_weights)
    assert "ray.get(self.actor_wg.update_weights(global_steps=global_steps, mode=self.backend))" in source


def text_of(file: str) -> str:
    """A file of verl's vLLM rollout."""
    folder = Path(importlib.import_module("verl").__file__).parent / "workers" / "rollout" / "vllm_rollout"
    return (folder / file).read_text()


def parsed(file: str) -> dict[str, list[str]]:
    """Class.method -> names of its parameters, in a file of verl's vLLM rollout."""
    classes = [node for node in ast.parse(text_of(file)).body if isinstance(node, ast.ClassDef)]
    return {
        f"{cls.name}.{item.name}": [argument.arg for argument in item.args.args]
        for cls in classes
        for item in cls.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_ray_worker_processes():
    import ray.actor
    from ray.runtime_env import RuntimeEnv

    assert hasattr(ray.actor.ActorClassID, "from_random") and hasattr(ray.actor.ActorClassID, "size")
    assert "py_executable" in RuntimeEnv.known_fields
