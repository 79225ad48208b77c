"""The step types that this engine understands. The checker is handed the same table, so it cannot promise others."""

from collections.abc import Mapping

from stepwell.engine.control.built_in import BUILT_IN
from stepwell.engine.control.decision_engine import DECISION_ENGINE
from stepwell.engine.control.depends_on import DEPENDSON
from stepwell.engine.control.exit import EXIT
from stepwell.engine.control.fail import FAIL
from stepwell.engine.control.flow_gateway import FLOW_GATEWAY
from stepwell.engine.control.foreach import FOREACH
from stepwell.engine.control.list import LIST
from stepwell.engine.control.noop import NOOP
from stepwell.engine.control.parallel import PARALLEL
from stepwell.engine.control.persisted_state import PERSISTED_STATE
from stepwell.engine.control.process_tracker import PROCESS_TRACKER
from stepwell.engine.control.send_response import SEND_RESPONSE
from stepwell.engine.control.sub_process import SUB_PROCESS
from stepwell.engine.control.switch import SWITCH
from stepwell.engine.control.update_step import UPDATE_STEP
from stepwell.engine.control.wait import WAIT
from stepwell.engine.control.while_ import WHILE
from stepwell.engine.control.worker import WORKER
from stepwell.engine.draft import Control
from stepwell.model.definition import StepType

CONTROLS: Mapping[StepType, Control] = {
    StepType.WORKER: WORKER,
    StepType.HTTP: BUILT_IN,
    StepType.JAVASCRIPT: BUILT_IN,
    StepType.PYTHON: BUILT_IN,
    StepType.JQ: BUILT_IN,
    StepType.BUILTIN: BUILT_IN,
    StepType.NOOP: NOOP,
    StepType.FAIL: FAIL,
    StepType.EXIT: EXIT,
    StepType.LIST: LIST,
    StepType.PARALLEL: PARALLEL,
    StepType.FOREACH: FOREACH,
    StepType.SWITCH: SWITCH,
    StepType.WHILE: WHILE,
    StepType.WAIT: WAIT,
    StepType.SUB_PROCESS: SUB_PROCESS,
    StepType.DEPENDSON: DEPENDSON,
    StepType.PERSISTED_STATE: PERSISTED_STATE,
    StepType.DECISION_ENGINE: DECISION_ENGINE,
    StepType.FLOW_GATEWAY: FLOW_GATEWAY,
    StepType.UPDATE_STEP: UPDATE_STEP,
    StepType.SEND_RESPONSE: SEND_RESPONSE,
    StepType.PROCESS_TRACKER: PROCESS_TRACKER,
}
