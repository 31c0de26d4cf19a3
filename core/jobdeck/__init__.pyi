# The public names, each in one place: `__init__.py` loads them from here when they are first used.

from . import testing as testing
from .clock import (
    Clock as Clock,
)
from .clock import (
    SystemClock as SystemClock,
)
from .engine_logger import (
    PatientHandler as PatientHandler,
)
from .execution.context import (
    JobContext as JobContext,
)
from .execution.context import (
    context as context,
)
from .execution.job_log import (
    record_fields as record_fields,
)
from .execution.shell import (
    add_shell as add_shell,
)
from .execution.shell import (
    command_line as command_line,
)
from .execution.signal_handlers import (
    STOP_SIGNALS as STOP_SIGNALS,
)
from .execution.signal_handlers import (
    default_in_forks as default_in_forks,
)
from .execution.signal_handlers import (
    handle_signal as handle_signal,
)
from .execution.stack_trace import (
    Call as Call,
)
from .execution.stack_trace import (
    Stack as Stack,
)
from .http.access import (
    is_cross_site as is_cross_site,
)
from .http.server import (
    HttpServer as HttpServer,
)
from .http.tokens import (
    Scope as Scope,
)
from .http.tokens import (
    Token as Token,
)
from .http.tokens import (
    TokenFile as TokenFile,
)
from .http.tokens import (
    default_token_file as default_token_file,
)
from .kinds.app_folder import (
    reserve_missing as reserve_missing,
)
from .kinds.command_name import (
    given_name as given_name,
)
from .kinds.edit_options import (
    EditOptions as EditOptions,
)
from .kinds.job_options import (
    JobOptions as JobOptions,
)
from .kinds.registry import (
    REGISTRY as REGISTRY,
)
from .kinds.registry import (
    Registry as Registry,
)
from .kinds.registry import (
    job as job,
)
from .kinds.registry import (
    load_apps as load_apps,
)
from .kinds.stored_secrets import (
    StoredSecretBytes as StoredSecretBytes,
)
from .kinds.stored_secrets import (
    StoredSecretStr as StoredSecretStr,
)
from .logs import (
    format_fields as format_fields,
)
from .maintenance.past_jobs_import import (
    import_past_jobs as import_past_jobs,
)
from .maintenance.queue_copy import (
    QueueCopy as QueueCopy,
)
from .maintenance.queue_copy import (
    copy_queue as copy_queue,
)
from .maintenance.queue_copy import (
    unmark_moved as unmark_moved,
)
from .maintenance.schema_versions import (
    SchemaVersion as SchemaVersion,
)
from .maintenance.schema_versions import (
    migrate_schema as migrate_schema,
)
from .maintenance.schema_versions import (
    schema_sql as schema_sql,
)
from .maintenance.schema_versions import (
    schema_version as schema_version,
)
from .maintenance.service import (
    Maintenance as Maintenance,
)
from .maintenance.service import (
    doctor as doctor,
)
from .model.address import (
    DatabaseAddress as DatabaseAddress,
)
from .model.address import (
    redact as redact,
)
from .model.case_folding import (
    find_all as find_all,
)
from .model.case_folding import (
    fold_case as fold_case,
)
from .model.cron import (
    explain_cron as explain_cron,
)
from .model.cron import (
    local_zone as local_zone,
)
from .model.cron import (
    next_ticks as next_ticks,
)
from .model.diagnosis import (
    Check as Check,
)
from .model.diagnosis import (
    Explanation as Explanation,
)
from .model.environment import (
    carried_environment as carried_environment,
)
from .model.environment import (
    is_secret as is_secret,
)
from .model.environment import (
    mask_arguments as mask_arguments,
)
from .model.environment import (
    mask_arguments_json as mask_arguments_json,
)
from .model.environment import (
    mask_value as mask_value,
)
from .model.environment import (
    restore_arguments as restore_arguments,
)
from .model.errors import (
    AppImportError as AppImportError,
)
from .model.errors import (
    ArgumentProblem as ArgumentProblem,
)
from .model.errors import (
    ArgumentsMismatch as ArgumentsMismatch,
)
from .model.errors import (
    ArgumentsTooLarge as ArgumentsTooLarge,
)
from .model.errors import (
    BackupFailed as BackupFailed,
)
from .model.errors import (
    BatchNotFound as BatchNotFound,
)
from .model.errors import (
    ChildNotStarted as ChildNotStarted,
)
from .model.errors import (
    GiveUp as GiveUp,
)
from .model.errors import (
    Interrupted as Interrupted,
)
from .model.errors import (
    InvalidArguments as InvalidArguments,
)
from .model.errors import (
    InvalidCron as InvalidCron,
)
from .model.errors import (
    InvalidFilter as InvalidFilter,
)
from .model.errors import (
    InvalidHandler as InvalidHandler,
)
from .model.errors import (
    InvalidJournalEntry as InvalidJournalEntry,
)
from .model.errors import (
    InvalidOption as InvalidOption,
)
from .model.errors import (
    InvalidPayload as InvalidPayload,
)
from .model.errors import (
    InvalidSetting as InvalidSetting,
)
from .model.errors import (
    Irreversible as Irreversible,
)
from .model.errors import (
    JobdeckError as JobdeckError,
)
from .model.errors import (
    JobNotFound as JobNotFound,
)
from .model.errors import (
    JournalEntryNotFound as JournalEntryNotFound,
)
from .model.errors import (
    KindNotInChild as KindNotInChild,
)
from .model.errors import (
    KindTaken as KindTaken,
)
from .model.errors import (
    LeaseLost as LeaseLost,
)
from .model.errors import (
    NothingToUndo as NothingToUndo,
)
from .model.errors import (
    NotRunning as NotRunning,
)
from .model.errors import (
    RowDamaged as RowDamaged,
)
from .model.errors import (
    RowRefused as RowRefused,
)
from .model.errors import (
    ScheduleExists as ScheduleExists,
)
from .model.errors import (
    ScheduleNotFound as ScheduleNotFound,
)
from .model.errors import (
    Snooze as Snooze,
)
from .model.errors import (
    Stopped as Stopped,
)
from .model.errors import (
    StoreBusy as StoreBusy,
)
from .model.errors import (
    StoreError as StoreError,
)
from .model.errors import (
    StoreFailed as StoreFailed,
)
from .model.errors import (
    StoreMissing as StoreMissing,
)
from .model.errors import (
    StoreRefused as StoreRefused,
)
from .model.errors import (
    StoreReplaced as StoreReplaced,
)
from .model.errors import (
    StoreUnreachable as StoreUnreachable,
)
from .model.errors import (
    ThreadsReplaced as ThreadsReplaced,
)
from .model.errors import (
    TimedOut as TimedOut,
)
from .model.errors import (
    TokenExists as TokenExists,
)
from .model.errors import (
    TokenFileRefused as TokenFileRefused,
)
from .model.errors import (
    TokenNotFound as TokenNotFound,
)
from .model.errors import (
    UndoConflict as UndoConflict,
)
from .model.errors import (
    UndoDataDamaged as UndoDataDamaged,
)
from .model.errors import (
    UniqueKeyConflict as UniqueKeyConflict,
)
from .model.errors import (
    UniqueKeyTaken as UniqueKeyTaken,
)
from .model.errors import (
    UnknownKind as UnknownKind,
)
from .model.errors import (
    WorkerNotFound as WorkerNotFound,
)
from .model.errors import (
    WorkerUnreachable as WorkerUnreachable,
)
from .model.errors import (
    WrongState as WrongState,
)
from .model.events import (
    Event as Event,
)
from .model.events import (
    EventType as EventType,
)
from .model.events import (
    Run as Run,
)
from .model.events import (
    Runs as Runs,
)
from .model.filter import (
    FIELDS as FIELDS,
)
from .model.filter import (
    Condition as Condition,
)
from .model.filter import (
    Term as Term,
)
from .model.filter import (
    parse_duration as parse_duration,
)
from .model.filter import (
    parse_filter as parse_filter,
)
from .model.filter_text import (
    Pattern as Pattern,
)
from .model.filter_text import (
    filter_characters as filter_characters,
)
from .model.filter_text import (
    quote_filter_value as quote_filter_value,
)
from .model.findings import (
    Finding as Finding,
)
from .model.findings import (
    Severity as Severity,
)
from .model.forecast import (
    Forecast as Forecast,
)
from .model.forecast import (
    QueueStats as QueueStats,
)
from .model.forecast import (
    Trend as Trend,
)
from .model.forecast import (
    forecast as forecast,
)
from .model.health import (
    health_document as health_document,
)
from .model.health import (
    unhealthy_reasons as unhealthy_reasons,
)
from .model.jobs import (
    Attempt as Attempt,
)
from .model.jobs import (
    Batch as Batch,
)
from .model.jobs import (
    Dependencies as Dependencies,
)
from .model.jobs import (
    Enqueued as Enqueued,
)
from .model.jobs import (
    IfParentFails as IfParentFails,
)
from .model.jobs import (
    Job as Job,
)
from .model.jobs import (
    JobEdit as JobEdit,
)
from .model.jobs import (
    Kind as Kind,
)
from .model.jobs import (
    Limits as Limits,
)
from .model.jobs import (
    LogLine as LogLine,
)
from .model.jobs import (
    NewJob as NewJob,
)
from .model.jobs import (
    OnConflict as OnConflict,
)
from .model.jobs import (
    OperationResult as OperationResult,
)
from .model.jobs import (
    Outcome as Outcome,
)
from .model.jobs import (
    PageEnd as PageEnd,
)
from .model.jobs import (
    Parameter as Parameter,
)
from .model.jobs import (
    Reason as Reason,
)
from .model.journal import (
    JournalEntry as JournalEntry,
)
from .model.journal import (
    UndoResult as UndoResult,
)
from .model.kind_names import (
    handler_kind as handler_kind,
)
from .model.kind_names import (
    name_in_kind as name_in_kind,
)
from .model.known_problems import (
    known_problem as known_problem,
)
from .model.metrics import (
    ErrorGroup as ErrorGroup,
)
from .model.metrics import (
    Grouping as Grouping,
)
from .model.metrics import (
    Metrics as Metrics,
)
from .model.overview import (
    Latency as Latency,
)
from .model.overview import (
    Overview as Overview,
)
from .model.overview import (
    QueueInfo as QueueInfo,
)
from .model.overview import (
    StuckJob as StuckJob,
)
from .model.overview import (
    TimeSlice as TimeSlice,
)
from .model.overview import (
    WorkerInfo as WorkerInfo,
)
from .model.past_jobs import (
    PastAttempt as PastAttempt,
)
from .model.past_jobs import (
    PastJob as PastJob,
)
from .model.priority import (
    effective_priority as effective_priority,
)
from .model.record_class import (
    record as record,
)
from .model.schedules import (
    Schedule as Schedule,
)
from .model.schedules import (
    ScheduledRun as ScheduledRun,
)
from .model.selection import (
    allowed_jobs as allowed_jobs,
)
from .model.states import (
    FINAL as FINAL,
)
from .model.states import (
    QUEUED as QUEUED,
)
from .model.states import (
    Operation as Operation,
)
from .model.states import (
    State as State,
)
from .model.states import (
    allows as allows,
)
from .model.suggestions import (
    did_you_mean as did_you_mean,
)
from .model.trace_context import (
    trace_of_variables as trace_of_variables,
)
from .opening import (
    open_queue as open_queue,
)
from .processes.crash_guard import (
    CrashGuard as CrashGuard,
)
from .prometheus.assets import (
    read_alert_rules as read_alert_rules,
)
from .prometheus.assets import (
    read_dashboard as read_dashboard,
)
from .prometheus.collector import (
    QueueCollector as QueueCollector,
)
from .queue import (
    JobRequest as JobRequest,
)
from .queue import (
    Queue as Queue,
)
from .scheduling.schedules import (
    Schedules as Schedules,
)
from .settings import (
    SWITCH_INTERVAL as SWITCH_INTERVAL,
)
from .settings import (
    Settings as Settings,
)
from .store.maintenance import (
    Backup as Backup,
)
from .tracing.carried import (
    carry_trace as carry_trace,
)
from .worker.health_file import (
    HealthFile as HealthFile,
)
from .worker.health_server import (
    HealthServer as HealthServer,
)
from .worker.worker import (
    Worker as Worker,
)

__version__: str
