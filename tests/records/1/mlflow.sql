BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('dc11669786a5');
CREATE TABLE "assessments" (
	assessment_id VARCHAR(50) NOT NULL, 
	trace_id VARCHAR(50) NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	assessment_type VARCHAR(20) NOT NULL, 
	value TEXT NOT NULL, 
	error TEXT, 
	created_timestamp BIGINT NOT NULL, 
	last_updated_timestamp BIGINT NOT NULL, 
	source_type VARCHAR(50) NOT NULL, 
	source_id VARCHAR(250), 
	run_id VARCHAR(32), 
	span_id VARCHAR(50), 
	rationale TEXT, 
	overrides VARCHAR(50), 
	valid BOOLEAN NOT NULL, 
	assessment_metadata TEXT, 
	experiment_id INTEGER, 
	trace_timestamp_ms BIGINT, 
	aggregate_value FLOAT, 
	is_numeric_value BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT assessments_pk PRIMARY KEY (assessment_id), 
	CONSTRAINT fk_assessments_trace_id FOREIGN KEY(trace_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE budget_policies (
	budget_policy_id VARCHAR(36) NOT NULL, 
	budget_unit VARCHAR(32) NOT NULL, 
	budget_amount FLOAT NOT NULL, 
	duration_unit VARCHAR(32) NOT NULL, 
	duration_value INTEGER NOT NULL, 
	target_scope VARCHAR(32) NOT NULL, 
	budget_action VARCHAR(32) NOT NULL, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, target_value VARCHAR(255), 
	CONSTRAINT budget_policies_pk PRIMARY KEY (budget_policy_id)
);
CREATE TABLE "datasets" (
	dataset_uuid VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	digest VARCHAR(36) NOT NULL, 
	dataset_source_type VARCHAR(36) NOT NULL, 
	dataset_source TEXT NOT NULL, 
	dataset_schema TEXT, 
	dataset_profile TEXT, 
	CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
	CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO "datasets" VALUES('f08db1d2d6794ae8ba656f5c51dbd60d',0,'more','1b7587ed816e8b48','uri','{"uri": "s3://prices/more"}',NULL,NULL);
INSERT INTO "datasets" VALUES('dc0e9931cf344a84b010b1b132bc046d',0,'train','894ffd462138ab26','local','{"uri": "train.csv"}',NULL,NULL);
CREATE TABLE endpoint_bindings (
	endpoint_id VARCHAR(36) NOT NULL, 
	resource_type VARCHAR(50) NOT NULL, 
	resource_id VARCHAR(255) NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), display_name VARCHAR(255), 
	CONSTRAINT endpoint_bindings_pk PRIMARY KEY (endpoint_id, resource_type, resource_id), 
	CONSTRAINT fk_endpoint_bindings_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE
);
CREATE TABLE endpoint_model_mappings (
	mapping_id VARCHAR(36) NOT NULL, 
	endpoint_id VARCHAR(36) NOT NULL, 
	model_definition_id VARCHAR(36) NOT NULL, 
	weight FLOAT NOT NULL, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, linkage_type VARCHAR(64) DEFAULT 'PRIMARY' NOT NULL, fallback_order INTEGER, 
	CONSTRAINT endpoint_model_mappings_pk PRIMARY KEY (mapping_id), 
	CONSTRAINT fk_endpoint_model_mappings_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE, 
	CONSTRAINT fk_endpoint_model_mappings_model_definition_id FOREIGN KEY(model_definition_id) REFERENCES model_definitions (model_definition_id)
);
CREATE TABLE endpoint_tags (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	endpoint_id VARCHAR(36) NOT NULL, 
	CONSTRAINT endpoint_tag_pk PRIMARY KEY ("key", endpoint_id), 
	CONSTRAINT fk_endpoint_tags_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE
);
CREATE TABLE "endpoints" (
	endpoint_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255), 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	routing_strategy VARCHAR(64), 
	fallback_config_json TEXT, 
	experiment_id INTEGER, 
	usage_tracking BOOLEAN DEFAULT '0' NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT endpoints_pk PRIMARY KEY (endpoint_id), 
	CONSTRAINT fk_endpoints_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE SET NULL, 
	CONSTRAINT uq_endpoints_workspace_name UNIQUE (workspace, name)
);
CREATE TABLE entity_associations (
	association_id VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, 
	created_time BIGINT, 
	CONSTRAINT entity_associations_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
CREATE TABLE "evaluation_dataset_records" (
	dataset_record_id VARCHAR(36) NOT NULL, 
	dataset_id VARCHAR(36) NOT NULL, 
	inputs JSON NOT NULL, 
	expectations JSON, 
	tags JSON, 
	source JSON, 
	source_id VARCHAR(36), 
	source_type VARCHAR(255), 
	created_time BIGINT, 
	last_update_time BIGINT, 
	created_by VARCHAR(255), 
	last_updated_by VARCHAR(255), 
	input_hash VARCHAR(64) NOT NULL, outputs JSON, 
	CONSTRAINT evaluation_dataset_records_pk PRIMARY KEY (dataset_record_id), 
	CONSTRAINT fk_evaluation_dataset_records_dataset_id FOREIGN KEY(dataset_id) REFERENCES evaluation_datasets (dataset_id) ON DELETE CASCADE, 
	CONSTRAINT unique_dataset_input UNIQUE (dataset_id, input_hash)
);
CREATE TABLE evaluation_dataset_tags (
	dataset_id VARCHAR(36) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value VARCHAR(5000), 
	CONSTRAINT evaluation_dataset_tags_pk PRIMARY KEY (dataset_id, "key"), 
	CONSTRAINT fk_evaluation_dataset_tags_dataset_id FOREIGN KEY(dataset_id) REFERENCES evaluation_datasets (dataset_id) ON DELETE CASCADE
);
CREATE TABLE "evaluation_datasets" (
	dataset_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	schema TEXT, 
	profile TEXT, 
	digest VARCHAR(64), 
	created_time BIGINT, 
	last_update_time BIGINT, 
	created_by VARCHAR(255), 
	last_updated_by VARCHAR(255), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT evaluation_datasets_pk PRIMARY KEY (dataset_id)
);
CREATE TABLE "experiment_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value TEXT, 
	experiment_id INTEGER NOT NULL, 
	CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
INSERT INTO "experiment_tags" VALUES('mlflow.experimentKind','custom_model_development',0);
INSERT INTO "experiment_tags" VALUES('mlflow.experimentKind','custom_model_development',1);
CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO "experiments" VALUES(0,'Default','mlflow-artifacts:/0','active',1795819853220,1795819853220,'default');
INSERT INTO "experiments" VALUES(1,'house prices','mlflow-artifacts:/1','active',1795819874634,1795819874634,'default');
CREATE TABLE guardrail_configs (
	endpoint_id VARCHAR(36) NOT NULL, 
	guardrail_id VARCHAR(36) NOT NULL, 
	execution_order INTEGER, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT guardrail_configs_pk PRIMARY KEY (endpoint_id, guardrail_id), 
	CONSTRAINT fk_guardrail_configs_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE, 
	CONSTRAINT fk_guardrail_configs_guardrail_id FOREIGN KEY(guardrail_id) REFERENCES guardrails (guardrail_id) ON DELETE CASCADE
);
CREATE TABLE guardrails (
	guardrail_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	scorer_id VARCHAR(36) NOT NULL, 
	scorer_version INTEGER NOT NULL, 
	stage VARCHAR(32) NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	action_endpoint_id VARCHAR(36), 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT guardrails_pk PRIMARY KEY (guardrail_id), 
	CONSTRAINT fk_guardrails_scorer_version FOREIGN KEY(scorer_id, scorer_version) REFERENCES scorer_versions (scorer_id, scorer_version), 
	CONSTRAINT fk_guardrails_action_endpoint_id FOREIGN KEY(action_endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE SET NULL
);
CREATE TABLE input_tags (
	input_uuid VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	value VARCHAR(500) NOT NULL, 
	CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
INSERT INTO "input_tags" VALUES('8fa39e6a9c8f439e8952b54b07fd0c0a','mlflow.data.context','more');
INSERT INTO "input_tags" VALUES('3280fd82e4b2450ebb25e0d444066db3','mlflow.data.context','train');
CREATE TABLE inputs (
	input_uuid VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
INSERT INTO "inputs" VALUES('00890990c3ef4cdd8d43fd0356cad916','RUN_OUTPUT','1388d02e56584c0697164b681c083103','MODEL_OUTPUT','m-738668c1b5ad4ff388c7a4b63e736c58',0);
INSERT INTO "inputs" VALUES('6d75d44d426747748808919c39b3bcc2','RUN_OUTPUT','79c753606e6e49d79b164c5df41346f7','MODEL_OUTPUT','m-4b6da05190e549d695b5ab042fbae362',0);
INSERT INTO "inputs" VALUES('dd67e44faa724902867ce2295aeb3451','RUN_OUTPUT','e521f22bf1ac476a90d44ac11303bba4','MODEL_OUTPUT','m-ac35a4ec1c6844be93e27cbd8262adca',0);
INSERT INTO "inputs" VALUES('d3e747d9201d44468028573eb82578f3','RUN_OUTPUT','b1bea32c241a4d7b9ffa1c47e98db7ad','MODEL_OUTPUT','m-6337b296412645f3afb58713629b6063',0);
INSERT INTO "inputs" VALUES('8fa39e6a9c8f439e8952b54b07fd0c0a','DATASET','f08db1d2d6794ae8ba656f5c51dbd60d','RUN','baad6b40b43e4b839f7260f8bf72c16a',0);
INSERT INTO "inputs" VALUES('3280fd82e4b2450ebb25e0d444066db3','DATASET','dc0e9931cf344a84b010b1b132bc046d','RUN','baad6b40b43e4b839f7260f8bf72c16a',0);
CREATE TABLE issues (
	issue_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	description TEXT NOT NULL, 
	status VARCHAR(50) NOT NULL, 
	severity VARCHAR(50), 
	root_causes TEXT, 
	source_run_id VARCHAR(32), 
	categories TEXT, 
	created_timestamp BIGINT NOT NULL, 
	last_updated_timestamp BIGINT NOT NULL, 
	created_by VARCHAR(255), 
	CONSTRAINT issues_pk PRIMARY KEY (issue_id), 
	CONSTRAINT fk_issues_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE, 
	CONSTRAINT fk_issues_source_run_id FOREIGN KEY(source_run_id) REFERENCES runs (run_uuid) ON DELETE SET NULL
);
CREATE TABLE job_locks (
	lock_key VARCHAR(255) NOT NULL, 
	job_id VARCHAR(36) NOT NULL, 
	acquired_at BIGINT NOT NULL, 
	CONSTRAINT job_locks_pk PRIMARY KEY (lock_key), 
	CONSTRAINT fk_job_locks_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE "jobs" (
	id VARCHAR(36) NOT NULL, 
	creation_time BIGINT NOT NULL, 
	job_name VARCHAR(500) NOT NULL, 
	params TEXT NOT NULL, 
	timeout FLOAT, 
	status INTEGER NOT NULL, 
	result TEXT, 
	retry_count INTEGER NOT NULL, 
	last_update_time BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, status_details JSON, creator VARCHAR(255), executor_backend VARCHAR(255), lease_expires_at BIGINT, status_message TEXT, progress JSON, progress_updated_at BIGINT, token_hash VARCHAR(64), scoped_permissions JSON, next_attempt_at BIGINT, 
	CONSTRAINT jobs_pk PRIMARY KEY (id)
);
CREATE TABLE label_schemas (
	schema_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	instruction TEXT, 
	enable_comment BOOLEAN DEFAULT '0' NOT NULL, 
	input_type VARCHAR(32) NOT NULL, 
	input_config TEXT NOT NULL, 
	created_by VARCHAR(255), 
	created_time BIGINT NOT NULL, 
	last_update_time BIGINT NOT NULL, 
	is_default BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT label_schemas_pk PRIMARY KEY (schema_id), 
	CONSTRAINT fk_label_schemas_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE, 
	CONSTRAINT uq_label_schemas_exp_name UNIQUE (experiment_id, name)
);
CREATE TABLE "latest_metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT, 
	step BIGINT NOT NULL, 
	is_nan BOOLEAN NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "latest_metrics" VALUES('requests',3.0,1795820085894,3,0,'a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "latest_metrics" VALUES('requests_per_s',0.0496442163939416,1795820085894,3,0,'a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "latest_metrics" VALUES('errors',0.0,1795820085894,3,0,'a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "latest_metrics" VALUES('replicas',1.0,1795820085894,3,0,'a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "latest_metrics" VALUES('requests',0.0,1795820272146,6,0,'11c77d492265490c85959914250f4734');
INSERT INTO "latest_metrics" VALUES('requests_per_s',0.0,1795820272146,6,0,'11c77d492265490c85959914250f4734');
INSERT INTO "latest_metrics" VALUES('errors',0.0,1795820272146,6,0,'11c77d492265490c85959914250f4734');
INSERT INTO "latest_metrics" VALUES('replicas',1.0,1795820272146,6,0,'11c77d492265490c85959914250f4734');
INSERT INTO "latest_metrics" VALUES('requests',0.0,1795820272146,6,0,'922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "latest_metrics" VALUES('requests_per_s',0.0,1795820272146,6,0,'922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "latest_metrics" VALUES('errors',0.0,1795820272146,6,0,'922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "latest_metrics" VALUES('replicas',1.0,1795820272146,6,0,'922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "latest_metrics" VALUES('requests',0.0,1795820272146,6,0,'0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "latest_metrics" VALUES('requests_per_s',0.0,1795820272146,6,0,'0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "latest_metrics" VALUES('errors',0.0,1795820272146,6,0,'0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "latest_metrics" VALUES('replicas',1.0,1795820272146,6,0,'0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "latest_metrics" VALUES('seen',1.0,1795820104021,1,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('loss',0.5,1795820000695,0,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/cpu_utilization_percentage',0.0,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_megabytes',12084.2,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_percentage',47.8,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_percentage',24.3,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_megabytes',26462.1,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_available_megabytes',82482.2,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_receive_megabytes',1.25288799999998445855e+00,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_transmit_megabytes',1.25288799999998445855e+00,1795820005968,0,0,'dc63626c73294e088224e3a8a0450a03');
INSERT INTO "latest_metrics" VALUES('system/node-0/cpu_utilization_percentage',100.0,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_megabytes',10641.2,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_percentage',42.1,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_percentage',24.3,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_megabytes',26463.1,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_available_megabytes',82481.2,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_receive_megabytes',1.10148090000000138384e+01,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_transmit_megabytes',1.10148090000000138384e+01,1795820037876,4,0,'b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "latest_metrics" VALUES('count',2.0,1795820023674,2,0,'1af991f70f10468f875196e8d2ccef25');
INSERT INTO "latest_metrics" VALUES('count',2.0,1795820024153,2,0,'fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "latest_metrics" VALUES('loss',1.58730158730158721347e-02,1795820057823,62,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/cpu_utilization_percentage',100.0,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_megabytes',8190.5,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_percentage',32.4,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_percentage',24.3,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_megabytes',26464.9,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_available_megabytes',82479.4,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_receive_megabytes',8.43085500000006504706e+00,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_transmit_megabytes',8.43085500000000820364e+00,1795820055051,4,0,'572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "latest_metrics" VALUES('p50_ms',0.75,1795820085894,3,0,'a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "latest_metrics" VALUES('p99_ms',9.84999999999999786837e+00,1795820085894,3,0,'a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "latest_metrics" VALUES('p50_ms',0.5,1795820085894,3,0,'11c77d492265490c85959914250f4734');
INSERT INTO "latest_metrics" VALUES('p99_ms',9.89999999999999880095e-01,1795820085894,3,0,'11c77d492265490c85959914250f4734');
INSERT INTO "latest_metrics" VALUES('p50_ms',1.0,1795820085894,3,0,'922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "latest_metrics" VALUES('p99_ms',1.98,1795820085894,3,0,'922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "latest_metrics" VALUES('p50_ms',0.5,1795820212024,5,0,'0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "latest_metrics" VALUES('p99_ms',0.99,1795820212024,5,0,'0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "latest_metrics" VALUES('requests',0.0,1795820272146,3,0,'bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "latest_metrics" VALUES('requests_per_s',0.0,1795820272146,3,0,'bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "latest_metrics" VALUES('errors',0.0,1795820272146,3,0,'bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "latest_metrics" VALUES('replicas',1.0,1795820272146,3,0,'bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "latest_metrics" VALUES('loss',0.025,1795820209884,39,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('loss',7.19424460431654713699e-03,1795820278803,138,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('loss',7.1428571428571426341e-03,1795820279562,139,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/cpu_utilization_percentage',95.4,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_megabytes',9837.8,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_percentage',38.9,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_percentage',24.5,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_megabytes',26674.3,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_available_megabytes',82270.0,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_receive_megabytes',2.89765440000001035514e+01,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_transmit_megabytes',2.89765439999999898637e+01,1795820277533,13,0,'eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "latest_metrics" VALUES('system/node-0/cpu_utilization_percentage',94.7,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_megabytes',9799.1,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_percentage',38.8,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_percentage',24.5,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_megabytes',26674.3,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_available_megabytes',82270.0,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_receive_megabytes',27.1373430000001,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_transmit_megabytes',2.71373429999999871142e+01,1795820275884,12,0,'8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "latest_metrics" VALUES('system/node-0/cpu_utilization_percentage',94.6,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_megabytes',9802.0,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/system_memory_usage_percentage',38.8,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_percentage',24.5,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_usage_megabytes',26674.3,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/disk_available_megabytes',82270.0,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_receive_megabytes',2.70498290000000451982e+01,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "latest_metrics" VALUES('system/node-0/network_transmit_megabytes',2.70498289999999883556e+01,1795820276099,12,0,'0994c89aad0c4700b24dca5a6c950b38');
CREATE TABLE logged_model_metrics (
	model_id VARCHAR(36) NOT NULL, 
	metric_name VARCHAR(500) NOT NULL, 
	metric_timestamp_ms BIGINT NOT NULL, 
	metric_step BIGINT NOT NULL, 
	metric_value FLOAT, 
	experiment_id INTEGER NOT NULL, 
	run_id VARCHAR(32) NOT NULL, 
	dataset_uuid VARCHAR(36), 
	dataset_name VARCHAR(500), 
	dataset_digest VARCHAR(36), 
	CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id), 
	CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE, 
	CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (run_uuid) ON DELETE CASCADE
);
CREATE TABLE logged_model_params (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	param_key VARCHAR(255) NOT NULL, 
	param_value TEXT NOT NULL, 
	CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id, param_key), 
	CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO "logged_model_params" VALUES('m-6337b296412645f3afb58713629b6063',0,'workers','1');
CREATE TABLE logged_model_tags (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	tag_key VARCHAR(255) NOT NULL, 
	tag_value TEXT NOT NULL, 
	CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key), 
	CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO "logged_model_tags" VALUES('m-738668c1b5ad4ff388c7a4b63e736c58',0,'mlflow.modelVersions','[{"name": "strict", "version": "1"}]');
INSERT INTO "logged_model_tags" VALUES('m-4b6da05190e549d695b5ab042fbae362',0,'mlflow.modelVersions','[{"name": "strict", "version": "2"}]');
INSERT INTO "logged_model_tags" VALUES('m-ac35a4ec1c6844be93e27cbd8262adca',0,'mlflow.modelVersions','[{"name": "absent", "version": "1"}]');
INSERT INTO "logged_model_tags" VALUES('m-6337b296412645f3afb58713629b6063',0,'mlflow.user','ada');
INSERT INTO "logged_model_tags" VALUES('m-6337b296412645f3afb58713629b6063',0,'mlflow.source.name','loops:publishes');
INSERT INTO "logged_model_tags" VALUES('m-6337b296412645f3afb58713629b6063',0,'mlflow.source.type','PROJECT');
INSERT INTO "logged_model_tags" VALUES('m-6337b296412645f3afb58713629b6063',0,'mlflow.modelVersions','[{"name": "digits", "version": "1"}]');
CREATE TABLE logged_models (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	artifact_location VARCHAR(1000) NOT NULL, 
	creation_timestamp_ms BIGINT NOT NULL, 
	last_updated_timestamp_ms BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	lifecycle_stage VARCHAR(32), 
	model_type VARCHAR(500), 
	source_run_id VARCHAR(32), 
	status_message VARCHAR(1000), 
	CONSTRAINT logged_models_pk PRIMARY KEY (model_id), 
	CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO "logged_models" VALUES('m-738668c1b5ad4ff388c7a4b63e736c58',0,'strict','mlflow-artifacts:/0/models/m-738668c1b5ad4ff388c7a4b63e736c58/artifacts',1795819860464,1795819860572,2,'active','','1388d02e56584c0697164b681c083103',NULL);
INSERT INTO "logged_models" VALUES('m-4b6da05190e549d695b5ab042fbae362',0,'strict','mlflow-artifacts:/0/models/m-4b6da05190e549d695b5ab042fbae362/artifacts',1795819862050,1795819862136,2,'active','','79c753606e6e49d79b164c5df41346f7',NULL);
INSERT INTO "logged_models" VALUES('m-ac35a4ec1c6844be93e27cbd8262adca',0,'absent','mlflow-artifacts:/0/models/m-ac35a4ec1c6844be93e27cbd8262adca/artifacts',1795819864231,1795819864318,2,'active','','e521f22bf1ac476a90d44ac11303bba4',NULL);
INSERT INTO "logged_models" VALUES('m-6337b296412645f3afb58713629b6063',0,'model','mlflow-artifacts:/0/models/m-6337b296412645f3afb58713629b6063/artifacts',1795820033417,1795820034344,2,'active','','b1bea32c241a4d7b9ffa1c47e98db7ad',NULL);
CREATE TABLE mcp_access_endpoints (
	id VARCHAR(36) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	server_name VARCHAR(256) NOT NULL, 
	server_version VARCHAR(128), 
	server_alias VARCHAR(256), 
	url VARCHAR(2048) NOT NULL, 
	transport_type VARCHAR(32) DEFAULT 'streamable-http' NOT NULL, 
	created_by VARCHAR(256), 
	last_updated_by VARCHAR(256), 
	created_at BIGINT NOT NULL, 
	last_updated_at BIGINT NOT NULL, 
	CONSTRAINT mcp_access_endpoints_pk PRIMARY KEY (id), 
	CONSTRAINT mcp_access_endpoints_server_fkey FOREIGN KEY(workspace, server_name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_aliases (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	alias VARCHAR(256) NOT NULL, 
	version VARCHAR(128) NOT NULL, 
	CONSTRAINT mcp_server_aliases_pk PRIMARY KEY (workspace, name, alias), 
	CONSTRAINT mcp_server_aliases_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_tags (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	CONSTRAINT mcp_server_tags_pk PRIMARY KEY (workspace, name, "key"), 
	CONSTRAINT mcp_server_tags_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_version_tags (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	version VARCHAR(128) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	CONSTRAINT mcp_server_version_tags_pk PRIMARY KEY (workspace, name, version, "key"), 
	CONSTRAINT mcp_server_version_tags_version_fkey FOREIGN KEY(workspace, name, version) REFERENCES mcp_server_versions (workspace, name, version) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_versions (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	version VARCHAR(128) NOT NULL, 
	version_major INTEGER NOT NULL, 
	version_minor INTEGER NOT NULL, 
	version_patch INTEGER NOT NULL, 
	version_prerelease_sort_key VARCHAR(512) NOT NULL, 
	server_json JSON NOT NULL, 
	status VARCHAR(20) DEFAULT 'draft' NOT NULL, 
	tools JSON, 
	source VARCHAR(512), 
	connect_options JSON, 
	created_by VARCHAR(256), 
	last_updated_by VARCHAR(256), 
	created_at BIGINT NOT NULL, 
	last_updated_at BIGINT NOT NULL, 
	CONSTRAINT mcp_server_versions_pk PRIMARY KEY (workspace, name, version), 
	CONSTRAINT mcp_server_versions_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_servers (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	display_name VARCHAR(256), 
	description TEXT, 
	icons JSON, 
	created_by VARCHAR(256), 
	last_updated_by VARCHAR(256), 
	created_at BIGINT NOT NULL, 
	last_updated_at BIGINT NOT NULL, 
	CONSTRAINT mcp_servers_pk PRIMARY KEY (workspace, name)
);
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('requests',0.0,1795819927596,'a77a8fca58fd4577ba49859fcb76cb94',1,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795819927596,'a77a8fca58fd4577ba49859fcb76cb94',1,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795819927596,'a77a8fca58fd4577ba49859fcb76cb94',1,0);
INSERT INTO "metrics" VALUES('replicas',0.0,1795819927596,'a77a8fca58fd4577ba49859fcb76cb94',1,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795819927596,'11c77d492265490c85959914250f4734',1,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795819927596,'11c77d492265490c85959914250f4734',1,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795819927596,'11c77d492265490c85959914250f4734',1,0);
INSERT INTO "metrics" VALUES('replicas',0.0,1795819927596,'11c77d492265490c85959914250f4734',1,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795819927596,'922adc09f4f641d59f3da262a38c4d90',1,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795819927596,'922adc09f4f641d59f3da262a38c4d90',1,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795819927596,'922adc09f4f641d59f3da262a38c4d90',1,0);
INSERT INTO "metrics" VALUES('replicas',0.0,1795819927596,'922adc09f4f641d59f3da262a38c4d90',1,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795819927596,'0585d050fca94b3f912d6c8ccc37e319',1,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795819927596,'0585d050fca94b3f912d6c8ccc37e319',1,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795819927596,'0585d050fca94b3f912d6c8ccc37e319',1,0);
INSERT INTO "metrics" VALUES('replicas',0.0,1795819927596,'0585d050fca94b3f912d6c8ccc37e319',1,0);
INSERT INTO "metrics" VALUES('seen',0.0,1795820000066,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1795820000695,'b1bea32c241a4d7b9ffa1c47e98db7ad',0,0);
INSERT INTO "metrics" VALUES('system/node-0/cpu_utilization_percentage',0.0,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_megabytes',12084.2,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_percentage',47.8,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_percentage',24.3,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_megabytes',26462.1,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_available_megabytes',82482.2,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('system/node-0/network_receive_megabytes',1.25288799999998445855e+00,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('system/node-0/network_transmit_megabytes',1.25288799999998445855e+00,1795820005968,'dc63626c73294e088224e3a8a0450a03',0,0);
INSERT INTO "metrics" VALUES('count',0.0,1795820023672,'1af991f70f10468f875196e8d2ccef25',0,0);
INSERT INTO "metrics" VALUES('count',1.0,1795820023674,'1af991f70f10468f875196e8d2ccef25',1,0);
INSERT INTO "metrics" VALUES('count',2.0,1795820023674,'1af991f70f10468f875196e8d2ccef25',2,0);
INSERT INTO "metrics" VALUES('count',0.0,1795820024141,'fb937b1a76344d488127ef013e1d2aa7',0,0);
INSERT INTO "metrics" VALUES('count',1.0,1795820024152,'fb937b1a76344d488127ef013e1d2aa7',1,0);
INSERT INTO "metrics" VALUES('count',2.0,1795820024153,'fb937b1a76344d488127ef013e1d2aa7',2,0);
INSERT INTO "metrics" VALUES('loss',1.0,1795820026203,'572f60363fa64c27bd43bbe8653803d8',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1795820026704,'572f60363fa64c27bd43bbe8653803d8',1,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1795820027212,'572f60363fa64c27bd43bbe8653803d8',2,0);
INSERT INTO "metrics" VALUES('loss',0.25,1795820027713,'572f60363fa64c27bd43bbe8653803d8',3,0);
INSERT INTO "metrics" VALUES('loss',0.2,1795820028214,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666657414e-01,1795820028716,'572f60363fa64c27bd43bbe8653803d8',5,0);
INSERT INTO "metrics" VALUES('loss',1.42857142857142849212e-01,1795820029222,'572f60363fa64c27bd43bbe8653803d8',6,0);
INSERT INTO "metrics" VALUES('loss',0.125,1795820029745,'572f60363fa64c27bd43bbe8653803d8',7,0);
INSERT INTO "metrics" VALUES('loss',1.11111111111111104943e-01,1795820030259,'572f60363fa64c27bd43bbe8653803d8',8,0);
INSERT INTO "metrics" VALUES('loss',0.1,1795820030760,'572f60363fa64c27bd43bbe8653803d8',9,0);
INSERT INTO "metrics" VALUES('loss',9.09090909090909116141e-02,1795820031273,'572f60363fa64c27bd43bbe8653803d8',10,0);
INSERT INTO "metrics" VALUES('loss',8.33333333333333287074e-02,1795820031776,'572f60363fa64c27bd43bbe8653803d8',11,0);
INSERT INTO "metrics" VALUES('loss',7.6923076923076927347e-02,1795820032277,'572f60363fa64c27bd43bbe8653803d8',12,0);
INSERT INTO "metrics" VALUES('loss',7.14285714285714246063e-02,1795820032803,'572f60363fa64c27bd43bbe8653803d8',13,0);
INSERT INTO "metrics" VALUES('loss',6.66666666666666657414e-02,1795820033305,'572f60363fa64c27bd43bbe8653803d8',14,0);
INSERT INTO "metrics" VALUES('loss',0.0625,1795820033818,'572f60363fa64c27bd43bbe8653803d8',15,0);
INSERT INTO "metrics" VALUES('loss',5.8823529411764705066e-02,1795820034320,'572f60363fa64c27bd43bbe8653803d8',16,0);
INSERT INTO "metrics" VALUES('loss',5.55555555555555524716e-02,1795820034821,'572f60363fa64c27bd43bbe8653803d8',17,0);
INSERT INTO "metrics" VALUES('loss',5.26315789473684181309e-02,1795820035329,'572f60363fa64c27bd43bbe8653803d8',18,0);
INSERT INTO "metrics" VALUES('loss',0.05,1795820035835,'572f60363fa64c27bd43bbe8653803d8',19,0);
INSERT INTO "metrics" VALUES('loss',4.76190476190476164042e-02,1795820036343,'572f60363fa64c27bd43bbe8653803d8',20,0);
INSERT INTO "metrics" VALUES('loss',4.5454545454545455807e-02,1795820036855,'572f60363fa64c27bd43bbe8653803d8',21,0);
INSERT INTO "metrics" VALUES('loss',4.34782608695652161845e-02,1795820037357,'572f60363fa64c27bd43bbe8653803d8',22,0);
INSERT INTO "metrics" VALUES('loss',4.16666666666666643537e-02,1795820037861,'572f60363fa64c27bd43bbe8653803d8',23,0);
INSERT INTO "metrics" VALUES('system/node-0/cpu_utilization_percentage',100.0,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_megabytes',10641.2,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_percentage',42.1,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_percentage',24.3,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_megabytes',26463.1,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_available_megabytes',82481.2,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('system/node-0/network_receive_megabytes',1.10148090000000138384e+01,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('system/node-0/network_transmit_megabytes',1.10148090000000138384e+01,1795820037876,'b1bea32c241a4d7b9ffa1c47e98db7ad',4,0);
INSERT INTO "metrics" VALUES('loss',0.04,1795820038361,'572f60363fa64c27bd43bbe8653803d8',24,0);
INSERT INTO "metrics" VALUES('loss',3.84615384615384636735e-02,1795820038863,'572f60363fa64c27bd43bbe8653803d8',25,0);
INSERT INTO "metrics" VALUES('loss',3.7037037037037034981e-02,1795820039364,'572f60363fa64c27bd43bbe8653803d8',26,0);
INSERT INTO "metrics" VALUES('loss',3.57142857142857123031e-02,1795820039865,'572f60363fa64c27bd43bbe8653803d8',27,0);
INSERT INTO "metrics" VALUES('loss',3.44827586206896546938e-02,1795820040368,'572f60363fa64c27bd43bbe8653803d8',28,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333328707e-02,1795820040869,'572f60363fa64c27bd43bbe8653803d8',29,0);
INSERT INTO "metrics" VALUES('loss',3.22580645161290313627e-02,1795820041372,'572f60363fa64c27bd43bbe8653803d8',30,0);
INSERT INTO "metrics" VALUES('loss',0.03125,1795820041873,'572f60363fa64c27bd43bbe8653803d8',31,0);
INSERT INTO "metrics" VALUES('loss',3.03030303030303038713e-02,1795820042374,'572f60363fa64c27bd43bbe8653803d8',32,0);
INSERT INTO "metrics" VALUES('loss',2.9411764705882352533e-02,1795820042875,'572f60363fa64c27bd43bbe8653803d8',33,0);
INSERT INTO "metrics" VALUES('loss',2.85714285714285705364e-02,1795820043377,'572f60363fa64c27bd43bbe8653803d8',34,0);
INSERT INTO "metrics" VALUES('loss',2.77777777777777762358e-02,1795820044002,'572f60363fa64c27bd43bbe8653803d8',35,0);
INSERT INTO "metrics" VALUES('loss',2.70270270270270285273e-02,1795820044503,'572f60363fa64c27bd43bbe8653803d8',36,0);
INSERT INTO "metrics" VALUES('loss',2.63157894736842090654e-02,1795820045004,'572f60363fa64c27bd43bbe8653803d8',37,0);
INSERT INTO "metrics" VALUES('loss',2.5641025641025640136e-02,1795820045511,'572f60363fa64c27bd43bbe8653803d8',38,0);
INSERT INTO "metrics" VALUES('loss',0.025,1795820046012,'572f60363fa64c27bd43bbe8653803d8',39,0);
INSERT INTO "metrics" VALUES('loss',2.43902439024390252364e-02,1795820046514,'572f60363fa64c27bd43bbe8653803d8',40,0);
INSERT INTO "metrics" VALUES('loss',2.38095238095238082021e-02,1795820047017,'572f60363fa64c27bd43bbe8653803d8',41,0);
INSERT INTO "metrics" VALUES('loss',2.32558139534883717702e-02,1795820047582,'572f60363fa64c27bd43bbe8653803d8',42,0);
INSERT INTO "metrics" VALUES('loss',2.27272727272727279035e-02,1795820048083,'572f60363fa64c27bd43bbe8653803d8',43,0);
INSERT INTO "metrics" VALUES('loss',2.22222222222222230703e-02,1795820048584,'572f60363fa64c27bd43bbe8653803d8',44,0);
INSERT INTO "metrics" VALUES('loss',2.17391304347826080922e-02,1795820049085,'572f60363fa64c27bd43bbe8653803d8',45,0);
INSERT INTO "metrics" VALUES('loss',2.12765957446808505471e-02,1795820049587,'572f60363fa64c27bd43bbe8653803d8',46,0);
INSERT INTO "metrics" VALUES('loss',2.08333333333333321768e-02,1795820050088,'572f60363fa64c27bd43bbe8653803d8',47,0);
INSERT INTO "metrics" VALUES('loss',2.04081632653061208204e-02,1795820050589,'572f60363fa64c27bd43bbe8653803d8',48,0);
INSERT INTO "metrics" VALUES('loss',0.02,1795820051093,'572f60363fa64c27bd43bbe8653803d8',49,0);
INSERT INTO "metrics" VALUES('loss',0.0196078431372549,1795820051600,'572f60363fa64c27bd43bbe8653803d8',50,0);
INSERT INTO "metrics" VALUES('loss',1.92307692307692318367e-02,1795820052102,'572f60363fa64c27bd43bbe8653803d8',51,0);
INSERT INTO "metrics" VALUES('loss',1.88679245283018860723e-02,1795820052615,'572f60363fa64c27bd43bbe8653803d8',52,0);
INSERT INTO "metrics" VALUES('loss',1.85185185185185174905e-02,1795820053117,'572f60363fa64c27bd43bbe8653803d8',53,0);
INSERT INTO "metrics" VALUES('loss',1.8181818181818180935e-02,1795820053618,'572f60363fa64c27bd43bbe8653803d8',54,0);
INSERT INTO "metrics" VALUES('loss',1.78571428571428561515e-02,1795820054119,'572f60363fa64c27bd43bbe8653803d8',55,0);
INSERT INTO "metrics" VALUES('loss',1.75438596491228060436e-02,1795820054621,'572f60363fa64c27bd43bbe8653803d8',56,0);
INSERT INTO "metrics" VALUES('system/node-0/cpu_utilization_percentage',100.0,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_megabytes',8190.5,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_percentage',32.4,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_percentage',24.3,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_megabytes',26464.9,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_available_megabytes',82479.4,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('system/node-0/network_receive_megabytes',8.43085500000006504706e+00,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('system/node-0/network_transmit_megabytes',8.43085500000000820364e+00,1795820055051,'572f60363fa64c27bd43bbe8653803d8',4,0);
INSERT INTO "metrics" VALUES('loss',1.72413793103448273469e-02,1795820055127,'572f60363fa64c27bd43bbe8653803d8',57,0);
INSERT INTO "metrics" VALUES('loss',1.69491525423728812971e-02,1795820055642,'572f60363fa64c27bd43bbe8653803d8',58,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666664353e-02,1795820056175,'572f60363fa64c27bd43bbe8653803d8',59,0);
INSERT INTO "metrics" VALUES('loss',1.63934426229508205252e-02,1795820056685,'572f60363fa64c27bd43bbe8653803d8',60,0);
INSERT INTO "metrics" VALUES('loss',1.61290322580645156813e-02,1795820057317,'572f60363fa64c27bd43bbe8653803d8',61,0);
INSERT INTO "metrics" VALUES('loss',1.58730158730158721347e-02,1795820057823,'572f60363fa64c27bd43bbe8653803d8',62,0);
INSERT INTO "metrics" VALUES('requests',3.0,1795820085894,'a77a8fca58fd4577ba49859fcb76cb94',3,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0496442163939416,1795820085894,'a77a8fca58fd4577ba49859fcb76cb94',3,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820085894,'a77a8fca58fd4577ba49859fcb76cb94',3,0);
INSERT INTO "metrics" VALUES('p50_ms',0.75,1795820085894,'a77a8fca58fd4577ba49859fcb76cb94',3,0);
INSERT INTO "metrics" VALUES('p99_ms',9.84999999999999786837e+00,1795820085894,'a77a8fca58fd4577ba49859fcb76cb94',3,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820085894,'a77a8fca58fd4577ba49859fcb76cb94',3,0);
INSERT INTO "metrics" VALUES('requests',3.0,1795820085894,'11c77d492265490c85959914250f4734',3,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0496442163939416,1795820085894,'11c77d492265490c85959914250f4734',3,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820085894,'11c77d492265490c85959914250f4734',3,0);
INSERT INTO "metrics" VALUES('p50_ms',0.5,1795820085894,'11c77d492265490c85959914250f4734',3,0);
INSERT INTO "metrics" VALUES('p99_ms',9.89999999999999880095e-01,1795820085894,'11c77d492265490c85959914250f4734',3,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820085894,'11c77d492265490c85959914250f4734',3,0);
INSERT INTO "metrics" VALUES('requests',2.0,1795820085894,'922adc09f4f641d59f3da262a38c4d90',3,0);
INSERT INTO "metrics" VALUES('requests_per_s',3.30961442626277330125e-02,1795820085894,'922adc09f4f641d59f3da262a38c4d90',3,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820085894,'922adc09f4f641d59f3da262a38c4d90',3,0);
INSERT INTO "metrics" VALUES('p50_ms',1.0,1795820085894,'922adc09f4f641d59f3da262a38c4d90',3,0);
INSERT INTO "metrics" VALUES('p99_ms',1.98,1795820085894,'922adc09f4f641d59f3da262a38c4d90',3,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820085894,'922adc09f4f641d59f3da262a38c4d90',3,0);
INSERT INTO "metrics" VALUES('requests',2.0,1795820085894,'0585d050fca94b3f912d6c8ccc37e319',3,0);
INSERT INTO "metrics" VALUES('requests_per_s',3.30961442626277330125e-02,1795820085894,'0585d050fca94b3f912d6c8ccc37e319',3,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820085894,'0585d050fca94b3f912d6c8ccc37e319',3,0);
INSERT INTO "metrics" VALUES('p50_ms',0.5,1795820085894,'0585d050fca94b3f912d6c8ccc37e319',3,0);
INSERT INTO "metrics" VALUES('p99_ms',0.99,1795820085894,'0585d050fca94b3f912d6c8ccc37e319',3,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820085894,'0585d050fca94b3f912d6c8ccc37e319',3,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820085894,'bf4c41378ad643f8a1cfd30ca5d3645d',0,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820085894,'bf4c41378ad643f8a1cfd30ca5d3645d',0,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820085894,'bf4c41378ad643f8a1cfd30ca5d3645d',0,0);
INSERT INTO "metrics" VALUES('replicas',0.0,1795820085894,'bf4c41378ad643f8a1cfd30ca5d3645d',0,0);
INSERT INTO "metrics" VALUES('seen',1.0,1795820104021,'dc63626c73294e088224e3a8a0450a03',1,0);
INSERT INTO "metrics" VALUES('loss',1.0,1795820207045,'eaa69dfe400341ec9d8085e64456f890',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1795820207192,'eaa69dfe400341ec9d8085e64456f890',1,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1795820207330,'eaa69dfe400341ec9d8085e64456f890',2,0);
INSERT INTO "metrics" VALUES('loss',0.25,1795820207382,'eaa69dfe400341ec9d8085e64456f890',3,0);
INSERT INTO "metrics" VALUES('loss',0.2,1795820207484,'eaa69dfe400341ec9d8085e64456f890',4,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666657414e-01,1795820207563,'eaa69dfe400341ec9d8085e64456f890',5,0);
INSERT INTO "metrics" VALUES('loss',1.42857142857142849212e-01,1795820207691,'eaa69dfe400341ec9d8085e64456f890',6,0);
INSERT INTO "metrics" VALUES('loss',0.125,1795820207904,'eaa69dfe400341ec9d8085e64456f890',7,0);
INSERT INTO "metrics" VALUES('loss',1.11111111111111104943e-01,1795820208031,'eaa69dfe400341ec9d8085e64456f890',8,0);
INSERT INTO "metrics" VALUES('loss',0.1,1795820208094,'eaa69dfe400341ec9d8085e64456f890',9,0);
INSERT INTO "metrics" VALUES('loss',9.09090909090909116141e-02,1795820208274,'eaa69dfe400341ec9d8085e64456f890',10,0);
INSERT INTO "metrics" VALUES('loss',8.33333333333333287074e-02,1795820208340,'eaa69dfe400341ec9d8085e64456f890',11,0);
INSERT INTO "metrics" VALUES('loss',7.6923076923076927347e-02,1795820208400,'eaa69dfe400341ec9d8085e64456f890',12,0);
INSERT INTO "metrics" VALUES('loss',7.14285714285714246063e-02,1795820208454,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('loss',6.66666666666666657414e-02,1795820208534,'eaa69dfe400341ec9d8085e64456f890',14,0);
INSERT INTO "metrics" VALUES('loss',0.0625,1795820208585,'eaa69dfe400341ec9d8085e64456f890',15,0);
INSERT INTO "metrics" VALUES('loss',5.8823529411764705066e-02,1795820208636,'eaa69dfe400341ec9d8085e64456f890',16,0);
INSERT INTO "metrics" VALUES('loss',5.55555555555555524716e-02,1795820208687,'eaa69dfe400341ec9d8085e64456f890',17,0);
INSERT INTO "metrics" VALUES('loss',5.26315789473684181309e-02,1795820208767,'eaa69dfe400341ec9d8085e64456f890',18,0);
INSERT INTO "metrics" VALUES('loss',0.05,1795820208818,'eaa69dfe400341ec9d8085e64456f890',19,0);
INSERT INTO "metrics" VALUES('loss',4.76190476190476164042e-02,1795820208870,'eaa69dfe400341ec9d8085e64456f890',20,0);
INSERT INTO "metrics" VALUES('loss',4.5454545454545455807e-02,1795820208922,'eaa69dfe400341ec9d8085e64456f890',21,0);
INSERT INTO "metrics" VALUES('loss',4.34782608695652161845e-02,1795820208974,'eaa69dfe400341ec9d8085e64456f890',22,0);
INSERT INTO "metrics" VALUES('loss',4.16666666666666643537e-02,1795820209047,'eaa69dfe400341ec9d8085e64456f890',23,0);
INSERT INTO "metrics" VALUES('loss',0.04,1795820209100,'eaa69dfe400341ec9d8085e64456f890',24,0);
INSERT INTO "metrics" VALUES('loss',3.84615384615384636735e-02,1795820209151,'eaa69dfe400341ec9d8085e64456f890',25,0);
INSERT INTO "metrics" VALUES('loss',3.7037037037037034981e-02,1795820209207,'eaa69dfe400341ec9d8085e64456f890',26,0);
INSERT INTO "metrics" VALUES('loss',3.57142857142857123031e-02,1795820209262,'eaa69dfe400341ec9d8085e64456f890',27,0);
INSERT INTO "metrics" VALUES('loss',3.44827586206896546938e-02,1795820209313,'eaa69dfe400341ec9d8085e64456f890',28,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333328707e-02,1795820209366,'eaa69dfe400341ec9d8085e64456f890',29,0);
INSERT INTO "metrics" VALUES('loss',3.22580645161290313627e-02,1795820209417,'eaa69dfe400341ec9d8085e64456f890',30,0);
INSERT INTO "metrics" VALUES('loss',0.03125,1795820209476,'eaa69dfe400341ec9d8085e64456f890',31,0);
INSERT INTO "metrics" VALUES('loss',1.0,1795820209421,'8883671286a44bdba13f9f5ae7c2df4d',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1795820209924,'8883671286a44bdba13f9f5ae7c2df4d',1,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1795820210428,'8883671286a44bdba13f9f5ae7c2df4d',2,0);
INSERT INTO "metrics" VALUES('loss',3.03030303030303038713e-02,1795820209527,'eaa69dfe400341ec9d8085e64456f890',32,0);
INSERT INTO "metrics" VALUES('loss',2.9411764705882352533e-02,1795820209578,'eaa69dfe400341ec9d8085e64456f890',33,0);
INSERT INTO "metrics" VALUES('loss',2.85714285714285705364e-02,1795820209629,'eaa69dfe400341ec9d8085e64456f890',34,0);
INSERT INTO "metrics" VALUES('loss',2.77777777777777762358e-02,1795820209680,'eaa69dfe400341ec9d8085e64456f890',35,0);
INSERT INTO "metrics" VALUES('loss',2.70270270270270285273e-02,1795820209731,'eaa69dfe400341ec9d8085e64456f890',36,0);
INSERT INTO "metrics" VALUES('loss',2.63157894736842090654e-02,1795820209782,'eaa69dfe400341ec9d8085e64456f890',37,0);
INSERT INTO "metrics" VALUES('loss',2.5641025641025640136e-02,1795820209833,'eaa69dfe400341ec9d8085e64456f890',38,0);
INSERT INTO "metrics" VALUES('loss',0.025,1795820209884,'eaa69dfe400341ec9d8085e64456f890',39,0);
INSERT INTO "metrics" VALUES('loss',1.0,1795820209624,'0994c89aad0c4700b24dca5a6c950b38',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1795820210126,'0994c89aad0c4700b24dca5a6c950b38',1,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1795820210629,'0994c89aad0c4700b24dca5a6c950b38',2,0);
INSERT INTO "metrics" VALUES('loss',0.25,1795820210930,'8883671286a44bdba13f9f5ae7c2df4d',3,0);
INSERT INTO "metrics" VALUES('loss',0.2,1795820211431,'8883671286a44bdba13f9f5ae7c2df4d',4,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666657414e-01,1795820211934,'8883671286a44bdba13f9f5ae7c2df4d',5,0);
INSERT INTO "metrics" VALUES('loss',0.25,1795820211131,'0994c89aad0c4700b24dca5a6c950b38',3,0);
INSERT INTO "metrics" VALUES('loss',0.2,1795820211633,'0994c89aad0c4700b24dca5a6c950b38',4,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666657414e-01,1795820212134,'0994c89aad0c4700b24dca5a6c950b38',5,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820212024,'11c77d492265490c85959914250f4734',5,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820212024,'11c77d492265490c85959914250f4734',5,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820212024,'11c77d492265490c85959914250f4734',5,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820212024,'11c77d492265490c85959914250f4734',5,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820212024,'922adc09f4f641d59f3da262a38c4d90',5,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820212024,'922adc09f4f641d59f3da262a38c4d90',5,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820212024,'922adc09f4f641d59f3da262a38c4d90',5,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820212024,'922adc09f4f641d59f3da262a38c4d90',5,0);
INSERT INTO "metrics" VALUES('requests',2.0,1795820212024,'0585d050fca94b3f912d6c8ccc37e319',5,0);
INSERT INTO "metrics" VALUES('requests_per_s',3.31510028597583397691e-02,1795820212024,'0585d050fca94b3f912d6c8ccc37e319',5,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820212024,'0585d050fca94b3f912d6c8ccc37e319',5,0);
INSERT INTO "metrics" VALUES('p50_ms',0.5,1795820212024,'0585d050fca94b3f912d6c8ccc37e319',5,0);
INSERT INTO "metrics" VALUES('p99_ms',0.99,1795820212024,'0585d050fca94b3f912d6c8ccc37e319',5,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820212024,'0585d050fca94b3f912d6c8ccc37e319',5,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820212024,'bf4c41378ad643f8a1cfd30ca5d3645d',2,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820212024,'bf4c41378ad643f8a1cfd30ca5d3645d',2,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820212024,'bf4c41378ad643f8a1cfd30ca5d3645d',2,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820212024,'bf4c41378ad643f8a1cfd30ca5d3645d',2,0);
INSERT INTO "metrics" VALUES('loss',1.42857142857142849212e-01,1795820212437,'8883671286a44bdba13f9f5ae7c2df4d',6,0);
INSERT INTO "metrics" VALUES('loss',0.125,1795820212938,'8883671286a44bdba13f9f5ae7c2df4d',7,0);
INSERT INTO "metrics" VALUES('loss',1.11111111111111104943e-01,1795820213442,'8883671286a44bdba13f9f5ae7c2df4d',8,0);
INSERT INTO "metrics" VALUES('loss',1.42857142857142849212e-01,1795820212635,'0994c89aad0c4700b24dca5a6c950b38',6,0);
INSERT INTO "metrics" VALUES('loss',0.125,1795820213138,'0994c89aad0c4700b24dca5a6c950b38',7,0);
INSERT INTO "metrics" VALUES('loss',1.11111111111111104943e-01,1795820213639,'0994c89aad0c4700b24dca5a6c950b38',8,0);
INSERT INTO "metrics" VALUES('loss',0.1,1795820213947,'8883671286a44bdba13f9f5ae7c2df4d',9,0);
INSERT INTO "metrics" VALUES('loss',0.1,1795820214140,'0994c89aad0c4700b24dca5a6c950b38',9,0);
INSERT INTO "metrics" VALUES('loss',9.09090909090909116141e-02,1795820214448,'8883671286a44bdba13f9f5ae7c2df4d',10,0);
INSERT INTO "metrics" VALUES('loss',8.33333333333333287074e-02,1795820214949,'8883671286a44bdba13f9f5ae7c2df4d',11,0);
INSERT INTO "metrics" VALUES('loss',9.09090909090909116141e-02,1795820214640,'0994c89aad0c4700b24dca5a6c950b38',10,0);
INSERT INTO "metrics" VALUES('loss',8.33333333333333287074e-02,1795820215141,'0994c89aad0c4700b24dca5a6c950b38',11,0);
INSERT INTO "metrics" VALUES('loss',7.6923076923076927347e-02,1795820215450,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('loss',7.14285714285714246063e-02,1795820215951,'8883671286a44bdba13f9f5ae7c2df4d',13,0);
INSERT INTO "metrics" VALUES('loss',6.66666666666666657414e-02,1795820216455,'8883671286a44bdba13f9f5ae7c2df4d',14,0);
INSERT INTO "metrics" VALUES('loss',7.6923076923076927347e-02,1795820215642,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('loss',7.14285714285714246063e-02,1795820216143,'0994c89aad0c4700b24dca5a6c950b38',13,0);
INSERT INTO "metrics" VALUES('loss',6.66666666666666657414e-02,1795820216644,'0994c89aad0c4700b24dca5a6c950b38',14,0);
INSERT INTO "metrics" VALUES('loss',0.0625,1795820216956,'8883671286a44bdba13f9f5ae7c2df4d',15,0);
INSERT INTO "metrics" VALUES('loss',5.8823529411764705066e-02,1795820217457,'8883671286a44bdba13f9f5ae7c2df4d',16,0);
INSERT INTO "metrics" VALUES('loss',5.55555555555555524716e-02,1795820217959,'8883671286a44bdba13f9f5ae7c2df4d',17,0);
INSERT INTO "metrics" VALUES('loss',0.0625,1795820217146,'0994c89aad0c4700b24dca5a6c950b38',15,0);
INSERT INTO "metrics" VALUES('loss',5.8823529411764705066e-02,1795820217647,'0994c89aad0c4700b24dca5a6c950b38',16,0);
INSERT INTO "metrics" VALUES('loss',5.55555555555555524716e-02,1795820218149,'0994c89aad0c4700b24dca5a6c950b38',17,0);
INSERT INTO "metrics" VALUES('loss',5.26315789473684181309e-02,1795820218460,'8883671286a44bdba13f9f5ae7c2df4d',18,0);
INSERT INTO "metrics" VALUES('loss',0.05,1795820218960,'8883671286a44bdba13f9f5ae7c2df4d',19,0);
INSERT INTO "metrics" VALUES('loss',5.26315789473684181309e-02,1795820218650,'0994c89aad0c4700b24dca5a6c950b38',18,0);
INSERT INTO "metrics" VALUES('loss',0.05,1795820219152,'0994c89aad0c4700b24dca5a6c950b38',19,0);
INSERT INTO "metrics" VALUES('loss',4.76190476190476164042e-02,1795820219461,'8883671286a44bdba13f9f5ae7c2df4d',20,0);
INSERT INTO "metrics" VALUES('loss',4.5454545454545455807e-02,1795820219964,'8883671286a44bdba13f9f5ae7c2df4d',21,0);
INSERT INTO "metrics" VALUES('loss',4.76190476190476164042e-02,1795820219664,'0994c89aad0c4700b24dca5a6c950b38',20,0);
INSERT INTO "metrics" VALUES('loss',4.5454545454545455807e-02,1795820220165,'0994c89aad0c4700b24dca5a6c950b38',21,0);
INSERT INTO "metrics" VALUES('loss',4.34782608695652161845e-02,1795820220465,'8883671286a44bdba13f9f5ae7c2df4d',22,0);
INSERT INTO "metrics" VALUES('loss',4.16666666666666643537e-02,1795820220966,'8883671286a44bdba13f9f5ae7c2df4d',23,0);
INSERT INTO "metrics" VALUES('loss',0.04,1795820221467,'8883671286a44bdba13f9f5ae7c2df4d',24,0);
INSERT INTO "metrics" VALUES('loss',4.34782608695652161845e-02,1795820220667,'0994c89aad0c4700b24dca5a6c950b38',22,0);
INSERT INTO "metrics" VALUES('loss',4.16666666666666643537e-02,1795820221168,'0994c89aad0c4700b24dca5a6c950b38',23,0);
INSERT INTO "metrics" VALUES('loss',0.04,1795820221671,'0994c89aad0c4700b24dca5a6c950b38',24,0);
INSERT INTO "metrics" VALUES('loss',3.84615384615384636735e-02,1795820221970,'8883671286a44bdba13f9f5ae7c2df4d',25,0);
INSERT INTO "metrics" VALUES('loss',3.7037037037037034981e-02,1795820222471,'8883671286a44bdba13f9f5ae7c2df4d',26,0);
INSERT INTO "metrics" VALUES('loss',3.57142857142857123031e-02,1795820222976,'8883671286a44bdba13f9f5ae7c2df4d',27,0);
INSERT INTO "metrics" VALUES('loss',3.84615384615384636735e-02,1795820222172,'0994c89aad0c4700b24dca5a6c950b38',25,0);
INSERT INTO "metrics" VALUES('loss',3.7037037037037034981e-02,1795820222673,'0994c89aad0c4700b24dca5a6c950b38',26,0);
INSERT INTO "metrics" VALUES('loss',3.57142857142857123031e-02,1795820223174,'0994c89aad0c4700b24dca5a6c950b38',27,0);
INSERT INTO "metrics" VALUES('loss',3.44827586206896546938e-02,1795820223477,'8883671286a44bdba13f9f5ae7c2df4d',28,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333328707e-02,1795820223979,'8883671286a44bdba13f9f5ae7c2df4d',29,0);
INSERT INTO "metrics" VALUES('loss',3.44827586206896546938e-02,1795820223676,'0994c89aad0c4700b24dca5a6c950b38',28,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333328707e-02,1795820224181,'0994c89aad0c4700b24dca5a6c950b38',29,0);
INSERT INTO "metrics" VALUES('loss',3.22580645161290313627e-02,1795820224483,'8883671286a44bdba13f9f5ae7c2df4d',30,0);
INSERT INTO "metrics" VALUES('loss',0.03125,1795820224984,'8883671286a44bdba13f9f5ae7c2df4d',31,0);
INSERT INTO "metrics" VALUES('loss',3.22580645161290313627e-02,1795820224686,'0994c89aad0c4700b24dca5a6c950b38',30,0);
INSERT INTO "metrics" VALUES('loss',0.03125,1795820225187,'0994c89aad0c4700b24dca5a6c950b38',31,0);
INSERT INTO "metrics" VALUES('loss',3.03030303030303038713e-02,1795820225697,'0994c89aad0c4700b24dca5a6c950b38',32,0);
INSERT INTO "metrics" VALUES('loss',3.03030303030303038713e-02,1795820225485,'8883671286a44bdba13f9f5ae7c2df4d',32,0);
INSERT INTO "metrics" VALUES('loss',2.9411764705882352533e-02,1795820225988,'8883671286a44bdba13f9f5ae7c2df4d',33,0);
INSERT INTO "metrics" VALUES('loss',2.85714285714285705364e-02,1795820226492,'8883671286a44bdba13f9f5ae7c2df4d',34,0);
INSERT INTO "metrics" VALUES('loss',2.9411764705882352533e-02,1795820226201,'0994c89aad0c4700b24dca5a6c950b38',33,0);
INSERT INTO "metrics" VALUES('loss',2.85714285714285705364e-02,1795820226704,'0994c89aad0c4700b24dca5a6c950b38',34,0);
INSERT INTO "metrics" VALUES('loss',2.77777777777777762358e-02,1795820227205,'0994c89aad0c4700b24dca5a6c950b38',35,0);
INSERT INTO "metrics" VALUES('loss',2.77777777777777762358e-02,1795820226993,'8883671286a44bdba13f9f5ae7c2df4d',35,0);
INSERT INTO "metrics" VALUES('loss',2.70270270270270285273e-02,1795820227494,'8883671286a44bdba13f9f5ae7c2df4d',36,0);
INSERT INTO "metrics" VALUES('loss',2.63157894736842090654e-02,1795820227996,'8883671286a44bdba13f9f5ae7c2df4d',37,0);
INSERT INTO "metrics" VALUES('loss',2.70270270270270285273e-02,1795820227707,'0994c89aad0c4700b24dca5a6c950b38',36,0);
INSERT INTO "metrics" VALUES('loss',2.63157894736842090654e-02,1795820228208,'0994c89aad0c4700b24dca5a6c950b38',37,0);
INSERT INTO "metrics" VALUES('loss',2.5641025641025640136e-02,1795820228709,'0994c89aad0c4700b24dca5a6c950b38',38,0);
INSERT INTO "metrics" VALUES('loss',2.5641025641025640136e-02,1795820228497,'8883671286a44bdba13f9f5ae7c2df4d',38,0);
INSERT INTO "metrics" VALUES('loss',0.025,1795820228998,'8883671286a44bdba13f9f5ae7c2df4d',39,0);
INSERT INTO "metrics" VALUES('loss',0.025,1795820229211,'0994c89aad0c4700b24dca5a6c950b38',39,0);
INSERT INTO "metrics" VALUES('loss',2.43902439024390252364e-02,1795820229712,'0994c89aad0c4700b24dca5a6c950b38',40,0);
INSERT INTO "metrics" VALUES('loss',2.43902439024390252364e-02,1795820229500,'8883671286a44bdba13f9f5ae7c2df4d',40,0);
INSERT INTO "metrics" VALUES('loss',2.38095238095238082021e-02,1795820230001,'8883671286a44bdba13f9f5ae7c2df4d',41,0);
INSERT INTO "metrics" VALUES('loss',2.32558139534883717702e-02,1795820230506,'8883671286a44bdba13f9f5ae7c2df4d',42,0);
INSERT INTO "metrics" VALUES('loss',2.38095238095238082021e-02,1795820230215,'0994c89aad0c4700b24dca5a6c950b38',41,0);
INSERT INTO "metrics" VALUES('loss',2.32558139534883717702e-02,1795820230717,'0994c89aad0c4700b24dca5a6c950b38',42,0);
INSERT INTO "metrics" VALUES('loss',2.27272727272727279035e-02,1795820231219,'0994c89aad0c4700b24dca5a6c950b38',43,0);
INSERT INTO "metrics" VALUES('loss',2.27272727272727279035e-02,1795820231018,'8883671286a44bdba13f9f5ae7c2df4d',43,0);
INSERT INTO "metrics" VALUES('loss',2.22222222222222230703e-02,1795820231519,'8883671286a44bdba13f9f5ae7c2df4d',44,0);
INSERT INTO "metrics" VALUES('loss',2.17391304347826080922e-02,1795820232020,'8883671286a44bdba13f9f5ae7c2df4d',45,0);
INSERT INTO "metrics" VALUES('loss',2.22222222222222230703e-02,1795820231720,'0994c89aad0c4700b24dca5a6c950b38',44,0);
INSERT INTO "metrics" VALUES('loss',2.17391304347826080922e-02,1795820232222,'0994c89aad0c4700b24dca5a6c950b38',45,0);
INSERT INTO "metrics" VALUES('loss',2.12765957446808505471e-02,1795820232722,'0994c89aad0c4700b24dca5a6c950b38',46,0);
INSERT INTO "metrics" VALUES('loss',2.12765957446808505471e-02,1795820232522,'8883671286a44bdba13f9f5ae7c2df4d',46,0);
INSERT INTO "metrics" VALUES('loss',2.08333333333333321768e-02,1795820233023,'8883671286a44bdba13f9f5ae7c2df4d',47,0);
INSERT INTO "metrics" VALUES('loss',2.04081632653061208204e-02,1795820233524,'8883671286a44bdba13f9f5ae7c2df4d',48,0);
INSERT INTO "metrics" VALUES('loss',2.08333333333333321768e-02,1795820233224,'0994c89aad0c4700b24dca5a6c950b38',47,0);
INSERT INTO "metrics" VALUES('loss',2.04081632653061208204e-02,1795820233725,'0994c89aad0c4700b24dca5a6c950b38',48,0);
INSERT INTO "metrics" VALUES('loss',0.02,1795820234227,'0994c89aad0c4700b24dca5a6c950b38',49,0);
INSERT INTO "metrics" VALUES('loss',0.02,1795820234025,'8883671286a44bdba13f9f5ae7c2df4d',49,0);
INSERT INTO "metrics" VALUES('loss',0.0196078431372549,1795820234526,'8883671286a44bdba13f9f5ae7c2df4d',50,0);
INSERT INTO "metrics" VALUES('loss',0.0196078431372549,1795820234730,'0994c89aad0c4700b24dca5a6c950b38',50,0);
INSERT INTO "metrics" VALUES('loss',1.92307692307692318367e-02,1795820235027,'8883671286a44bdba13f9f5ae7c2df4d',51,0);
INSERT INTO "metrics" VALUES('loss',1.88679245283018860723e-02,1795820235529,'8883671286a44bdba13f9f5ae7c2df4d',52,0);
INSERT INTO "metrics" VALUES('loss',1.92307692307692318367e-02,1795820235231,'0994c89aad0c4700b24dca5a6c950b38',51,0);
INSERT INTO "metrics" VALUES('loss',1.88679245283018860723e-02,1795820235733,'0994c89aad0c4700b24dca5a6c950b38',52,0);
INSERT INTO "metrics" VALUES('loss',1.85185185185185174905e-02,1795820236030,'8883671286a44bdba13f9f5ae7c2df4d',53,0);
INSERT INTO "metrics" VALUES('loss',1.8181818181818180935e-02,1795820236531,'8883671286a44bdba13f9f5ae7c2df4d',54,0);
INSERT INTO "metrics" VALUES('loss',1.78571428571428561515e-02,1795820237034,'8883671286a44bdba13f9f5ae7c2df4d',55,0);
INSERT INTO "metrics" VALUES('loss',1.85185185185185174905e-02,1795820236234,'0994c89aad0c4700b24dca5a6c950b38',53,0);
INSERT INTO "metrics" VALUES('loss',1.8181818181818180935e-02,1795820236736,'0994c89aad0c4700b24dca5a6c950b38',54,0);
INSERT INTO "metrics" VALUES('loss',1.78571428571428561515e-02,1795820237238,'0994c89aad0c4700b24dca5a6c950b38',55,0);
INSERT INTO "metrics" VALUES('loss',1.75438596491228060436e-02,1795820237536,'8883671286a44bdba13f9f5ae7c2df4d',56,0);
INSERT INTO "metrics" VALUES('loss',1.72413793103448273469e-02,1795820238037,'8883671286a44bdba13f9f5ae7c2df4d',57,0);
INSERT INTO "metrics" VALUES('loss',1.69491525423728812971e-02,1795820238539,'8883671286a44bdba13f9f5ae7c2df4d',58,0);
INSERT INTO "metrics" VALUES('loss',1.75438596491228060436e-02,1795820237741,'0994c89aad0c4700b24dca5a6c950b38',56,0);
INSERT INTO "metrics" VALUES('loss',1.72413793103448273469e-02,1795820238242,'0994c89aad0c4700b24dca5a6c950b38',57,0);
INSERT INTO "metrics" VALUES('loss',1.69491525423728812971e-02,1795820238747,'0994c89aad0c4700b24dca5a6c950b38',58,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666664353e-02,1795820239040,'8883671286a44bdba13f9f5ae7c2df4d',59,0);
INSERT INTO "metrics" VALUES('loss',1.63934426229508205252e-02,1795820239542,'8883671286a44bdba13f9f5ae7c2df4d',60,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666664353e-02,1795820239250,'0994c89aad0c4700b24dca5a6c950b38',59,0);
INSERT INTO "metrics" VALUES('loss',1.63934426229508205252e-02,1795820239751,'0994c89aad0c4700b24dca5a6c950b38',60,0);
INSERT INTO "metrics" VALUES('loss',1.61290322580645156813e-02,1795820240043,'8883671286a44bdba13f9f5ae7c2df4d',61,0);
INSERT INTO "metrics" VALUES('loss',1.58730158730158721347e-02,1795820240544,'8883671286a44bdba13f9f5ae7c2df4d',62,0);
INSERT INTO "metrics" VALUES('loss',1.61290322580645156813e-02,1795820240252,'0994c89aad0c4700b24dca5a6c950b38',61,0);
INSERT INTO "metrics" VALUES('loss',1.58730158730158721347e-02,1795820240753,'0994c89aad0c4700b24dca5a6c950b38',62,0);
INSERT INTO "metrics" VALUES('loss',0.015625,1795820241262,'0994c89aad0c4700b24dca5a6c950b38',63,0);
INSERT INTO "metrics" VALUES('loss',0.015625,1795820241045,'8883671286a44bdba13f9f5ae7c2df4d',63,0);
INSERT INTO "metrics" VALUES('loss',1.53846153846153854694e-02,1795820241546,'8883671286a44bdba13f9f5ae7c2df4d',64,0);
INSERT INTO "metrics" VALUES('loss',1.51515151515151519356e-02,1795820242048,'8883671286a44bdba13f9f5ae7c2df4d',65,0);
INSERT INTO "metrics" VALUES('loss',1.53846153846153854694e-02,1795820241787,'0994c89aad0c4700b24dca5a6c950b38',64,0);
INSERT INTO "metrics" VALUES('loss',1.51515151515151519356e-02,1795820242290,'0994c89aad0c4700b24dca5a6c950b38',65,0);
INSERT INTO "metrics" VALUES('loss',1.49253731343283579241e-02,1795820242802,'0994c89aad0c4700b24dca5a6c950b38',66,0);
INSERT INTO "metrics" VALUES('loss',1.49253731343283579241e-02,1795820242550,'8883671286a44bdba13f9f5ae7c2df4d',66,0);
INSERT INTO "metrics" VALUES('loss',1.47058823529411762665e-02,1795820243052,'8883671286a44bdba13f9f5ae7c2df4d',67,0);
INSERT INTO "metrics" VALUES('loss',1.4492753623188405973e-02,1795820243554,'8883671286a44bdba13f9f5ae7c2df4d',68,0);
INSERT INTO "metrics" VALUES('loss',1.47058823529411762665e-02,1795820243303,'0994c89aad0c4700b24dca5a6c950b38',67,0);
INSERT INTO "metrics" VALUES('loss',1.4492753623188405973e-02,1795820243805,'0994c89aad0c4700b24dca5a6c950b38',68,0);
INSERT INTO "metrics" VALUES('loss',1.42857142857142852682e-02,1795820244306,'0994c89aad0c4700b24dca5a6c950b38',69,0);
INSERT INTO "metrics" VALUES('loss',1.42857142857142852682e-02,1795820244055,'8883671286a44bdba13f9f5ae7c2df4d',69,0);
INSERT INTO "metrics" VALUES('loss',1.40845070422535214443e-02,1795820244556,'8883671286a44bdba13f9f5ae7c2df4d',70,0);
INSERT INTO "metrics" VALUES('loss',1.40845070422535214443e-02,1795820244809,'0994c89aad0c4700b24dca5a6c950b38',70,0);
INSERT INTO "metrics" VALUES('loss',1.38888888888888881179e-02,1795820245058,'8883671286a44bdba13f9f5ae7c2df4d',71,0);
INSERT INTO "metrics" VALUES('loss',0.0136986301369863,1795820245559,'8883671286a44bdba13f9f5ae7c2df4d',72,0);
INSERT INTO "metrics" VALUES('loss',1.38888888888888881179e-02,1795820245311,'0994c89aad0c4700b24dca5a6c950b38',71,0);
INSERT INTO "metrics" VALUES('loss',0.0136986301369863,1795820245812,'0994c89aad0c4700b24dca5a6c950b38',72,0);
INSERT INTO "metrics" VALUES('loss',1.35135135135135142636e-02,1795820246313,'0994c89aad0c4700b24dca5a6c950b38',73,0);
INSERT INTO "metrics" VALUES('loss',1.35135135135135142636e-02,1795820246060,'8883671286a44bdba13f9f5ae7c2df4d',73,0);
INSERT INTO "metrics" VALUES('loss',1.33333333333333341891e-02,1795820246562,'8883671286a44bdba13f9f5ae7c2df4d',74,0);
INSERT INTO "metrics" VALUES('loss',1.31578947368421045327e-02,1795820247063,'8883671286a44bdba13f9f5ae7c2df4d',75,0);
INSERT INTO "metrics" VALUES('loss',1.33333333333333341891e-02,1795820246815,'0994c89aad0c4700b24dca5a6c950b38',74,0);
INSERT INTO "metrics" VALUES('loss',1.31578947368421045327e-02,1795820247316,'0994c89aad0c4700b24dca5a6c950b38',75,0);
INSERT INTO "metrics" VALUES('loss',1.2987012987012987869e-02,1795820247817,'0994c89aad0c4700b24dca5a6c950b38',76,0);
INSERT INTO "metrics" VALUES('loss',1.2987012987012987869e-02,1795820247566,'8883671286a44bdba13f9f5ae7c2df4d',76,0);
INSERT INTO "metrics" VALUES('loss',1.2820512820512820068e-02,1795820248084,'8883671286a44bdba13f9f5ae7c2df4d',77,0);
INSERT INTO "metrics" VALUES('loss',1.26582278481012656251e-02,1795820248585,'8883671286a44bdba13f9f5ae7c2df4d',78,0);
INSERT INTO "metrics" VALUES('loss',1.2820512820512820068e-02,1795820248319,'0994c89aad0c4700b24dca5a6c950b38',77,0);
INSERT INTO "metrics" VALUES('loss',1.26582278481012656251e-02,1795820248822,'0994c89aad0c4700b24dca5a6c950b38',78,0);
INSERT INTO "metrics" VALUES('loss',0.0125,1795820249327,'0994c89aad0c4700b24dca5a6c950b38',79,0);
INSERT INTO "metrics" VALUES('loss',0.0125,1795820249086,'8883671286a44bdba13f9f5ae7c2df4d',79,0);
INSERT INTO "metrics" VALUES('loss',1.2345679012345678327e-02,1795820249587,'8883671286a44bdba13f9f5ae7c2df4d',80,0);
INSERT INTO "metrics" VALUES('loss',1.2345679012345678327e-02,1795820249827,'0994c89aad0c4700b24dca5a6c950b38',80,0);
INSERT INTO "metrics" VALUES('loss',1.21951219512195126182e-02,1795820250087,'8883671286a44bdba13f9f5ae7c2df4d',81,0);
INSERT INTO "metrics" VALUES('loss',1.20481927710843379764e-02,1795820250588,'8883671286a44bdba13f9f5ae7c2df4d',82,0);
INSERT INTO "metrics" VALUES('loss',1.21951219512195126182e-02,1795820250328,'0994c89aad0c4700b24dca5a6c950b38',81,0);
INSERT INTO "metrics" VALUES('loss',1.20481927710843379764e-02,1795820250830,'0994c89aad0c4700b24dca5a6c950b38',82,0);
INSERT INTO "metrics" VALUES('loss',1.1904761904761904101e-02,1795820251089,'8883671286a44bdba13f9f5ae7c2df4d',83,0);
INSERT INTO "metrics" VALUES('loss',1.17647058823529410132e-02,1795820251591,'8883671286a44bdba13f9f5ae7c2df4d',84,0);
INSERT INTO "metrics" VALUES('loss',1.16279069767441858851e-02,1795820252092,'8883671286a44bdba13f9f5ae7c2df4d',85,0);
INSERT INTO "metrics" VALUES('loss',1.1904761904761904101e-02,1795820251333,'0994c89aad0c4700b24dca5a6c950b38',83,0);
INSERT INTO "metrics" VALUES('loss',1.17647058823529410132e-02,1795820251834,'0994c89aad0c4700b24dca5a6c950b38',84,0);
INSERT INTO "metrics" VALUES('loss',1.16279069767441858851e-02,1795820252335,'0994c89aad0c4700b24dca5a6c950b38',85,0);
INSERT INTO "metrics" VALUES('loss',1.14942528735632182312e-02,1795820252592,'8883671286a44bdba13f9f5ae7c2df4d',86,0);
INSERT INTO "metrics" VALUES('loss',1.13636363636363639517e-02,1795820253093,'8883671286a44bdba13f9f5ae7c2df4d',87,0);
INSERT INTO "metrics" VALUES('loss',1.1235955056179774969e-02,1795820253598,'8883671286a44bdba13f9f5ae7c2df4d',88,0);
INSERT INTO "metrics" VALUES('loss',1.14942528735632182312e-02,1795820252839,'0994c89aad0c4700b24dca5a6c950b38',86,0);
INSERT INTO "metrics" VALUES('loss',1.13636363636363639517e-02,1795820253358,'0994c89aad0c4700b24dca5a6c950b38',87,0);
INSERT INTO "metrics" VALUES('loss',1.1235955056179774969e-02,1795820253859,'0994c89aad0c4700b24dca5a6c950b38',88,0);
INSERT INTO "metrics" VALUES('loss',1.11111111111111115351e-02,1795820254102,'8883671286a44bdba13f9f5ae7c2df4d',89,0);
INSERT INTO "metrics" VALUES('loss',1.09890109890109898688e-02,1795820254604,'8883671286a44bdba13f9f5ae7c2df4d',90,0);
INSERT INTO "metrics" VALUES('loss',1.11111111111111115351e-02,1795820254363,'0994c89aad0c4700b24dca5a6c950b38',89,0);
INSERT INTO "metrics" VALUES('loss',1.09890109890109898688e-02,1795820254864,'0994c89aad0c4700b24dca5a6c950b38',90,0);
INSERT INTO "metrics" VALUES('loss',1.08695652173913040461e-02,1795820255108,'8883671286a44bdba13f9f5ae7c2df4d',91,0);
INSERT INTO "metrics" VALUES('loss',1.07526881720430116107e-02,1795820255612,'8883671286a44bdba13f9f5ae7c2df4d',92,0);
INSERT INTO "metrics" VALUES('loss',1.08695652173913040461e-02,1795820255365,'0994c89aad0c4700b24dca5a6c950b38',91,0);
INSERT INTO "metrics" VALUES('loss',1.07526881720430116107e-02,1795820255867,'0994c89aad0c4700b24dca5a6c950b38',92,0);
INSERT INTO "metrics" VALUES('loss',1.06382978723404252735e-02,1795820256116,'8883671286a44bdba13f9f5ae7c2df4d',93,0);
INSERT INTO "metrics" VALUES('loss',1.05263157894736839731e-02,1795820256617,'8883671286a44bdba13f9f5ae7c2df4d',94,0);
INSERT INTO "metrics" VALUES('loss',1.04166666666666660884e-02,1795820257122,'8883671286a44bdba13f9f5ae7c2df4d',95,0);
INSERT INTO "metrics" VALUES('loss',1.06382978723404252735e-02,1795820256374,'0994c89aad0c4700b24dca5a6c950b38',93,0);
INSERT INTO "metrics" VALUES('loss',1.05263157894736839731e-02,1795820256876,'0994c89aad0c4700b24dca5a6c950b38',94,0);
INSERT INTO "metrics" VALUES('loss',1.04166666666666660884e-02,1795820257378,'0994c89aad0c4700b24dca5a6c950b38',95,0);
INSERT INTO "metrics" VALUES('loss',1.03092783505154637208e-02,1795820257624,'8883671286a44bdba13f9f5ae7c2df4d',96,0);
INSERT INTO "metrics" VALUES('loss',1.02040816326530604102e-02,1795820258125,'8883671286a44bdba13f9f5ae7c2df4d',97,0);
INSERT INTO "metrics" VALUES('loss',1.01010101010101018687e-02,1795820258627,'8883671286a44bdba13f9f5ae7c2df4d',98,0);
INSERT INTO "metrics" VALUES('loss',1.03092783505154637208e-02,1795820257883,'0994c89aad0c4700b24dca5a6c950b38',96,0);
INSERT INTO "metrics" VALUES('loss',1.02040816326530604102e-02,1795820258383,'0994c89aad0c4700b24dca5a6c950b38',97,0);
INSERT INTO "metrics" VALUES('loss',1.01010101010101018687e-02,1795820258885,'0994c89aad0c4700b24dca5a6c950b38',98,0);
INSERT INTO "metrics" VALUES('loss',0.01,1795820259128,'8883671286a44bdba13f9f5ae7c2df4d',99,0);
INSERT INTO "metrics" VALUES('loss',9.90099009900990111032e-03,1795820259629,'8883671286a44bdba13f9f5ae7c2df4d',100,0);
INSERT INTO "metrics" VALUES('loss',0.01,1795820259386,'0994c89aad0c4700b24dca5a6c950b38',99,0);
INSERT INTO "metrics" VALUES('loss',9.90099009900990111032e-03,1795820259888,'0994c89aad0c4700b24dca5a6c950b38',100,0);
INSERT INTO "metrics" VALUES('loss',0.00980392156862745,1795820260131,'8883671286a44bdba13f9f5ae7c2df4d',101,0);
INSERT INTO "metrics" VALUES('loss',9.70873786407766906081e-03,1795820260632,'8883671286a44bdba13f9f5ae7c2df4d',102,0);
INSERT INTO "metrics" VALUES('loss',9.61538461538461591837e-03,1795820261134,'8883671286a44bdba13f9f5ae7c2df4d',103,0);
INSERT INTO "metrics" VALUES('loss',0.00980392156862745,1795820260389,'0994c89aad0c4700b24dca5a6c950b38',101,0);
INSERT INTO "metrics" VALUES('loss',9.70873786407766906081e-03,1795820260890,'0994c89aad0c4700b24dca5a6c950b38',102,0);
INSERT INTO "metrics" VALUES('loss',9.61538461538461591837e-03,1795820261391,'0994c89aad0c4700b24dca5a6c950b38',103,0);
INSERT INTO "metrics" VALUES('loss',9.52380952380952466862e-03,1795820261892,'0994c89aad0c4700b24dca5a6c950b38',104,0);
INSERT INTO "metrics" VALUES('loss',9.43396226415094303618e-03,1795820262394,'0994c89aad0c4700b24dca5a6c950b38',105,0);
INSERT INTO "metrics" VALUES('loss',9.52380952380952466862e-03,1795820261635,'8883671286a44bdba13f9f5ae7c2df4d',104,0);
INSERT INTO "metrics" VALUES('loss',9.43396226415094303618e-03,1795820262139,'8883671286a44bdba13f9f5ae7c2df4d',105,0);
INSERT INTO "metrics" VALUES('loss',9.34579439252336378884e-03,1795820262643,'8883671286a44bdba13f9f5ae7c2df4d',106,0);
INSERT INTO "metrics" VALUES('loss',9.34579439252336378884e-03,1795820262895,'0994c89aad0c4700b24dca5a6c950b38',106,0);
INSERT INTO "metrics" VALUES('loss',9.25925925925925874526e-03,1795820263396,'0994c89aad0c4700b24dca5a6c950b38',107,0);
INSERT INTO "metrics" VALUES('loss',9.17431192660550509643e-03,1795820263898,'0994c89aad0c4700b24dca5a6c950b38',108,0);
INSERT INTO "metrics" VALUES('loss',9.25925925925925874526e-03,1795820263146,'8883671286a44bdba13f9f5ae7c2df4d',107,0);
INSERT INTO "metrics" VALUES('loss',9.17431192660550509643e-03,1795820263649,'8883671286a44bdba13f9f5ae7c2df4d',108,0);
INSERT INTO "metrics" VALUES('loss',0.00909090909090909,1795820264170,'8883671286a44bdba13f9f5ae7c2df4d',109,0);
INSERT INTO "metrics" VALUES('loss',9.00900900900900893086e-03,1795820264670,'8883671286a44bdba13f9f5ae7c2df4d',110,0);
INSERT INTO "metrics" VALUES('loss',8.92857142857142807579e-03,1795820265173,'8883671286a44bdba13f9f5ae7c2df4d',111,0);
INSERT INTO "metrics" VALUES('loss',0.00909090909090909,1795820264399,'0994c89aad0c4700b24dca5a6c950b38',109,0);
INSERT INTO "metrics" VALUES('loss',9.00900900900900893086e-03,1795820264900,'0994c89aad0c4700b24dca5a6c950b38',110,0);
INSERT INTO "metrics" VALUES('loss',8.92857142857142807579e-03,1795820265402,'0994c89aad0c4700b24dca5a6c950b38',111,0);
INSERT INTO "metrics" VALUES('loss',8.84955752212389368249e-03,1795820265903,'0994c89aad0c4700b24dca5a6c950b38',112,0);
INSERT INTO "metrics" VALUES('loss',8.77192982456140302183e-03,1795820266411,'0994c89aad0c4700b24dca5a6c950b38',113,0);
INSERT INTO "metrics" VALUES('loss',8.84955752212389368249e-03,1795820265675,'8883671286a44bdba13f9f5ae7c2df4d',112,0);
INSERT INTO "metrics" VALUES('loss',8.77192982456140302183e-03,1795820266176,'8883671286a44bdba13f9f5ae7c2df4d',113,0);
INSERT INTO "metrics" VALUES('loss',8.69565217391304358385e-03,1795820266678,'8883671286a44bdba13f9f5ae7c2df4d',114,0);
INSERT INTO "metrics" VALUES('loss',8.69565217391304358385e-03,1795820266913,'0994c89aad0c4700b24dca5a6c950b38',114,0);
INSERT INTO "metrics" VALUES('loss',8.62068965517241367346e-03,1795820267414,'0994c89aad0c4700b24dca5a6c950b38',115,0);
INSERT INTO "metrics" VALUES('loss',8.54700854700854786849e-03,1795820267920,'0994c89aad0c4700b24dca5a6c950b38',116,0);
INSERT INTO "metrics" VALUES('loss',8.62068965517241367346e-03,1795820267181,'8883671286a44bdba13f9f5ae7c2df4d',115,0);
INSERT INTO "metrics" VALUES('loss',8.54700854700854786849e-03,1795820267685,'8883671286a44bdba13f9f5ae7c2df4d',116,0);
INSERT INTO "metrics" VALUES('loss',0.00847457627118644,1795820268187,'8883671286a44bdba13f9f5ae7c2df4d',117,0);
INSERT INTO "metrics" VALUES('loss',0.00847457627118644,1795820268422,'0994c89aad0c4700b24dca5a6c950b38',117,0);
INSERT INTO "metrics" VALUES('loss',8.40336134453781476161e-03,1795820268923,'0994c89aad0c4700b24dca5a6c950b38',118,0);
INSERT INTO "metrics" VALUES('loss',8.33333333333333321768e-03,1795820269430,'0994c89aad0c4700b24dca5a6c950b38',119,0);
INSERT INTO "metrics" VALUES('loss',8.40336134453781476161e-03,1795820268689,'8883671286a44bdba13f9f5ae7c2df4d',118,0);
INSERT INTO "metrics" VALUES('loss',8.33333333333333321768e-03,1795820269192,'8883671286a44bdba13f9f5ae7c2df4d',119,0);
INSERT INTO "metrics" VALUES('loss',8.26446280991735560128e-03,1795820269695,'8883671286a44bdba13f9f5ae7c2df4d',120,0);
INSERT INTO "metrics" VALUES('loss',0.00819672131147541,1795820270196,'8883671286a44bdba13f9f5ae7c2df4d',121,0);
INSERT INTO "metrics" VALUES('loss',8.26446280991735560128e-03,1795820269934,'0994c89aad0c4700b24dca5a6c950b38',120,0);
INSERT INTO "metrics" VALUES('loss',0.00819672131147541,1795820270435,'0994c89aad0c4700b24dca5a6c950b38',121,0);
INSERT INTO "metrics" VALUES('loss',8.13008130081300899039e-03,1795820270697,'8883671286a44bdba13f9f5ae7c2df4d',122,0);
INSERT INTO "metrics" VALUES('loss',8.06451612903225784068e-03,1795820271199,'8883671286a44bdba13f9f5ae7c2df4d',123,0);
INSERT INTO "metrics" VALUES('loss',8.13008130081300899039e-03,1795820270936,'0994c89aad0c4700b24dca5a6c950b38',122,0);
INSERT INTO "metrics" VALUES('loss',8.06451612903225784068e-03,1795820271437,'0994c89aad0c4700b24dca5a6c950b38',123,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820272146,'11c77d492265490c85959914250f4734',6,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820272146,'11c77d492265490c85959914250f4734',6,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820272146,'11c77d492265490c85959914250f4734',6,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820272146,'11c77d492265490c85959914250f4734',6,0);
INSERT INTO "metrics" VALUES('loss',0.008,1795820271742,'8883671286a44bdba13f9f5ae7c2df4d',124,0);
INSERT INTO "metrics" VALUES('loss',7.93650793650793606737e-03,1795820272248,'8883671286a44bdba13f9f5ae7c2df4d',125,0);
INSERT INTO "metrics" VALUES('loss',0.008,1795820271940,'0994c89aad0c4700b24dca5a6c950b38',124,0);
INSERT INTO "metrics" VALUES('loss',7.93650793650793606737e-03,1795820272441,'0994c89aad0c4700b24dca5a6c950b38',125,0);
INSERT INTO "metrics" VALUES('loss',7.87401574803149595371e-03,1795820272942,'0994c89aad0c4700b24dca5a6c950b38',126,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820272146,'922adc09f4f641d59f3da262a38c4d90',6,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820272146,'922adc09f4f641d59f3da262a38c4d90',6,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820272146,'922adc09f4f641d59f3da262a38c4d90',6,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820272146,'922adc09f4f641d59f3da262a38c4d90',6,0);
INSERT INTO "metrics" VALUES('loss',7.87401574803149595371e-03,1795820272758,'8883671286a44bdba13f9f5ae7c2df4d',126,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820272146,'0585d050fca94b3f912d6c8ccc37e319',6,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820272146,'0585d050fca94b3f912d6c8ccc37e319',6,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820272146,'0585d050fca94b3f912d6c8ccc37e319',6,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820272146,'0585d050fca94b3f912d6c8ccc37e319',6,0);
INSERT INTO "metrics" VALUES('requests',0.0,1795820272146,'bf4c41378ad643f8a1cfd30ca5d3645d',3,0);
INSERT INTO "metrics" VALUES('requests_per_s',0.0,1795820272146,'bf4c41378ad643f8a1cfd30ca5d3645d',3,0);
INSERT INTO "metrics" VALUES('errors',0.0,1795820272146,'bf4c41378ad643f8a1cfd30ca5d3645d',3,0);
INSERT INTO "metrics" VALUES('replicas',1.0,1795820272146,'bf4c41378ad643f8a1cfd30ca5d3645d',3,0);
INSERT INTO "metrics" VALUES('loss',0.0078125,1795820273259,'8883671286a44bdba13f9f5ae7c2df4d',127,0);
INSERT INTO "metrics" VALUES('loss',7.75193798449612392342e-03,1795820273760,'8883671286a44bdba13f9f5ae7c2df4d',128,0);
INSERT INTO "metrics" VALUES('loss',7.6923076923076927347e-03,1795820274263,'8883671286a44bdba13f9f5ae7c2df4d',129,0);
INSERT INTO "metrics" VALUES('loss',0.0078125,1795820273443,'0994c89aad0c4700b24dca5a6c950b38',127,0);
INSERT INTO "metrics" VALUES('loss',7.75193798449612392342e-03,1795820273946,'0994c89aad0c4700b24dca5a6c950b38',128,0);
INSERT INTO "metrics" VALUES('loss',7.6923076923076927347e-03,1795820274447,'0994c89aad0c4700b24dca5a6c950b38',129,0);
INSERT INTO "metrics" VALUES('loss',7.63358778625954168678e-03,1795820274765,'8883671286a44bdba13f9f5ae7c2df4d',130,0);
INSERT INTO "metrics" VALUES('loss',7.57575757575757596784e-03,1795820275267,'8883671286a44bdba13f9f5ae7c2df4d',131,0);
INSERT INTO "metrics" VALUES('loss',7.63358778625954168678e-03,1795820274948,'0994c89aad0c4700b24dca5a6c950b38',130,0);
INSERT INTO "metrics" VALUES('loss',7.57575757575757596784e-03,1795820275463,'0994c89aad0c4700b24dca5a6c950b38',131,0);
INSERT INTO "metrics" VALUES('loss',7.51879699248120259014e-03,1795820275770,'8883671286a44bdba13f9f5ae7c2df4d',132,0);
INSERT INTO "metrics" VALUES('system/node-0/cpu_utilization_percentage',94.7,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_megabytes',9799.1,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_percentage',38.8,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_percentage',24.5,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_megabytes',26674.3,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_available_megabytes',82270.0,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('system/node-0/network_receive_megabytes',27.1373430000001,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('system/node-0/network_transmit_megabytes',2.71373429999999871142e+01,1795820275884,'8883671286a44bdba13f9f5ae7c2df4d',12,0);
INSERT INTO "metrics" VALUES('loss',7.46268656716417896207e-03,1795820276276,'8883671286a44bdba13f9f5ae7c2df4d',133,0);
INSERT INTO "metrics" VALUES('loss',7.51879699248120259014e-03,1795820275986,'0994c89aad0c4700b24dca5a6c950b38',132,0);
INSERT INTO "metrics" VALUES('system/node-0/cpu_utilization_percentage',94.6,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_megabytes',9802.0,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_percentage',38.8,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_percentage',24.5,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_megabytes',26674.3,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_available_megabytes',82270.0,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('system/node-0/network_receive_megabytes',2.70498290000000451982e+01,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('system/node-0/network_transmit_megabytes',2.70498289999999883556e+01,1795820276099,'0994c89aad0c4700b24dca5a6c950b38',12,0);
INSERT INTO "metrics" VALUES('loss',7.46268656716417896207e-03,1795820276487,'0994c89aad0c4700b24dca5a6c950b38',133,0);
INSERT INTO "metrics" VALUES('loss',7.4074074074074076901e-03,1795820276778,'8883671286a44bdba13f9f5ae7c2df4d',134,0);
INSERT INTO "metrics" VALUES('loss',7.35294117647058813325e-03,1795820277279,'8883671286a44bdba13f9f5ae7c2df4d',135,0);
INSERT INTO "metrics" VALUES('loss',7.4074074074074076901e-03,1795820276988,'0994c89aad0c4700b24dca5a6c950b38',134,0);
INSERT INTO "metrics" VALUES('loss',7.35294117647058813325e-03,1795820277489,'0994c89aad0c4700b24dca5a6c950b38',135,0);
INSERT INTO "metrics" VALUES('system/node-0/cpu_utilization_percentage',95.4,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_megabytes',9837.8,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('system/node-0/system_memory_usage_percentage',38.9,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_percentage',24.5,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_usage_megabytes',26674.3,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('system/node-0/disk_available_megabytes',82270.0,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('system/node-0/network_receive_megabytes',2.89765440000001035514e+01,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('system/node-0/network_transmit_megabytes',2.89765439999999898637e+01,1795820277533,'eaa69dfe400341ec9d8085e64456f890',13,0);
INSERT INTO "metrics" VALUES('loss',7.29927007299270048934e-03,1795820277781,'8883671286a44bdba13f9f5ae7c2df4d',136,0);
INSERT INTO "metrics" VALUES('loss',7.24637681159420298654e-03,1795820278282,'8883671286a44bdba13f9f5ae7c2df4d',137,0);
INSERT INTO "metrics" VALUES('loss',7.19424460431654713699e-03,1795820278803,'8883671286a44bdba13f9f5ae7c2df4d',138,0);
INSERT INTO "metrics" VALUES('loss',7.29927007299270048934e-03,1795820278015,'0994c89aad0c4700b24dca5a6c950b38',136,0);
INSERT INTO "metrics" VALUES('loss',7.24637681159420298654e-03,1795820278558,'0994c89aad0c4700b24dca5a6c950b38',137,0);
INSERT INTO "metrics" VALUES('loss',7.19424460431654713699e-03,1795820279061,'0994c89aad0c4700b24dca5a6c950b38',138,0);
INSERT INTO "metrics" VALUES('loss',7.1428571428571426341e-03,1795820279562,'0994c89aad0c4700b24dca5a6c950b38',139,0);
CREATE TABLE "model_definitions" (
	model_definition_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	secret_id VARCHAR(36), 
	provider VARCHAR(64) NOT NULL, 
	model_name VARCHAR(256) NOT NULL, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_definitions_pk PRIMARY KEY (model_definition_id), 
	CONSTRAINT fk_model_definitions_secret_id FOREIGN KEY(secret_id) REFERENCES secrets (secret_id) ON DELETE SET NULL, 
	CONSTRAINT uq_model_definitions_workspace_name UNIQUE (workspace, name)
);
CREATE TABLE "model_version_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value TEXT, 
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_version_tag_pk PRIMARY KEY (workspace, "key", name, version), 
	CONSTRAINT fk_model_version_tags_model_versions FOREIGN KEY(workspace, name, version) REFERENCES model_versions (workspace, name, version) ON UPDATE CASCADE
);
INSERT INTO "model_version_tags" VALUES('journeyman.graph_bytes','3279','strict',1,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.graph_bytes','3279','strict',2,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.graph_bytes','3279','absent',1,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.name','publishes','digits',1,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','digits',1,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.job','b1bea32c241a4d7b9ffa1c47e98db7ad','digits',1,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.graph_bytes','3279','digits',1,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.engines.3a540fed1332','{"hardware": "AMD EPYC, AVX2, 1 thread, torch 2.13.0+cpu, onnxruntime 1.32.0", "took_s": 5.3, "batch_sizes": [1, 4, 16, 64], "times_us": {"torch.export": [816.3, 277.9, 633.6, 706.5], "onnxruntime": [14.2, 46.2, 40.7, 49.9]}, "winners": ["onnxruntime", "onnxruntime", "onnxruntime", "onnxruntime"], "rows_are_independent": true, "rejected": {"aotinductor": "not compiled: onnxruntime takes 17 \u00b5s for a row, and little could be saved"}, "failed": ""}','strict',1,'default');
INSERT INTO "model_version_tags" VALUES('journeyman.engines.3a540fed1332','{"hardware": "AMD EPYC, AVX2, 1 thread, torch 2.13.0+cpu, onnxruntime 1.32.0", "took_s": 4.8, "batch_sizes": [1, 4, 16, 64], "times_us": {"torch.export": [222.8, 259.3, 296.9, 326.1], "onnxruntime": [22.6, 20.8, 24.2, 22.5]}, "winners": ["onnxruntime", "onnxruntime", "onnxruntime", "onnxruntime"], "rows_are_independent": true, "rejected": {"aotinductor": "not compiled: onnxruntime takes 9 \u00b5s for a row, and little could be saved"}, "failed": ""}','digits',1,'default');
CREATE TABLE "model_versions" (
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	user_id VARCHAR(256), 
	current_stage VARCHAR(20), 
	source VARCHAR(500), 
	run_id VARCHAR(32), 
	status VARCHAR(20), 
	status_message VARCHAR(500), 
	run_link VARCHAR(500), 
	storage_location VARCHAR(500), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_version_pk PRIMARY KEY (workspace, name, version), 
	CONSTRAINT fk_model_versions_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
);
INSERT INTO "model_versions" VALUES('strict',1,1795819860677,1795819860677,'',NULL,'None','models:/m-738668c1b5ad4ff388c7a4b63e736c58','1388d02e56584c0697164b681c083103','READY',NULL,'','mlflow-artifacts:/0/models/m-738668c1b5ad4ff388c7a4b63e736c58/artifacts','default');
INSERT INTO "model_versions" VALUES('strict',2,1795819862219,1795819862219,'',NULL,'None','models:/m-4b6da05190e549d695b5ab042fbae362','79c753606e6e49d79b164c5df41346f7','READY',NULL,'','mlflow-artifacts:/0/models/m-4b6da05190e549d695b5ab042fbae362/artifacts','default');
INSERT INTO "model_versions" VALUES('strict',3,1795819862494,1795819862494,'',NULL,'None','mlflow-artifacts:/0/ba7b9cb21c174a0b9c3a37ad6ae8371b/artifacts/model','ba7b9cb21c174a0b9c3a37ad6ae8371b','READY',NULL,'','mlflow-artifacts:/0/ba7b9cb21c174a0b9c3a37ad6ae8371b/artifacts/model','default');
INSERT INTO "model_versions" VALUES('absent',1,1795819864497,1795819864497,'',NULL,'None','models:/m-ac35a4ec1c6844be93e27cbd8262adca','e521f22bf1ac476a90d44ac11303bba4','READY',NULL,'','mlflow-artifacts:/0/models/m-ac35a4ec1c6844be93e27cbd8262adca/artifacts','default');
INSERT INTO "model_versions" VALUES('digits',1,1795820038298,1795820038298,'',NULL,'None','models:/m-6337b296412645f3afb58713629b6063','b1bea32c241a4d7b9ffa1c47e98db7ad','READY',NULL,'','mlflow-artifacts:/0/models/m-6337b296412645f3afb58713629b6063/artifacts','default');
CREATE TABLE online_scoring_configs (
	online_scoring_config_id VARCHAR(36) NOT NULL, 
	scorer_id VARCHAR(36) NOT NULL, 
	sample_rate FLOAT NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	filter_string TEXT, 
	CONSTRAINT online_scoring_config_pk PRIMARY KEY (online_scoring_config_id), 
	CONSTRAINT fk_online_scoring_configs_scorer_id FOREIGN KEY(scorer_id) REFERENCES scorers (scorer_id) ON DELETE CASCADE, 
	CONSTRAINT fk_online_scoring_configs_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "params" VALUES('term.1','control-host-22275-1795819866 00000000-0000-4000-8000-000000000000/4026531836 22275 821440','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "params" VALUES('workers','1','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "params" VALUES('workers','2','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "params" VALUES('attempt.1','control-host-22275-1795819866','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "params" VALUES('workers','1','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "params" VALUES('workers','1','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "params" VALUES('attempt.1','control-host-22275-1795819866','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "params" VALUES('attempt.1','control-host-22275-1795819866','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "params" VALUES('workers','1','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "params" VALUES('attempt.1','control-host-22275-1795819866','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "params" VALUES('workers','2','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "params" VALUES('attempt.1','control-host-22275-1795819866','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "params" VALUES('workers','1','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "params" VALUES('attempt.1','control-host-22275-1795819866','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "params" VALUES('term.2','control-host-22275-1795819866 00000000-0000-4000-8000-000000000000/4026531836 22275 821440','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "params" VALUES('attempt.1.publication','rank 0','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "params" VALUES('term.3','control-host-22275-1795819866 00000000-0000-4000-8000-000000000000/4026531836 22275 821440','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "params" VALUES('attempt.2','control-host-22275-1795819866','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "params" VALUES('workers','1','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "params" VALUES('workers','2','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "params" VALUES('workers','1','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "params" VALUES('term.4','control-host-26675-1795820150 00000000-0000-4000-8000-000000000000/4026531836 26675 848856','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "params" VALUES('attempt.1','control-host-26675-1795820150','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "params" VALUES('attempt.1','control-host-26675-1795820150','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "params" VALUES('attempt.1','control-host-26675-1795820150','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "params" VALUES('workers','1','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "params" VALUES('attempt.1','control-host-26675-1795820150','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "params" VALUES('epochs','3','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "params" VALUES('optimizer.lr','0.1','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "params" VALUES('workers','2','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "params" VALUES('workers','1','d139f838ea0b413098ca56e7d361cc64');
CREATE TABLE "registered_model_aliases" (
	alias VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_alias_pk PRIMARY KEY (workspace, name, alias), 
	CONSTRAINT fk_registered_model_aliases_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "registered_model_aliases" VALUES('champion',2,'strict','default');
INSERT INTO "registered_model_aliases" VALUES('swapping',3,'strict','default');
INSERT INTO "registered_model_aliases" VALUES('champion',1,'digits','default');
CREATE TABLE "registered_model_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	name VARCHAR(256) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_tag_pk PRIMARY KEY (workspace, "key", name), 
	CONSTRAINT fk_registered_model_tags_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
);
CREATE TABLE "registered_models" (
	name VARCHAR(256) NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_pk PRIMARY KEY (workspace, name)
);
INSERT INTO "registered_models" VALUES('strict',1795819860631,1795819862494,'','default');
INSERT INTO "registered_models" VALUES('absent',1795819864435,1795819864497,'','default');
INSERT INTO "registered_models" VALUES('digits',1795820035565,1795820038298,'','default');
CREATE TABLE review_queue_items (
	queue_id VARCHAR(36) NOT NULL, 
	item_type VARCHAR(16) NOT NULL, 
	item_id VARCHAR(50) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	completed_by VARCHAR(250), 
	completed_time_ms BIGINT, 
	creation_time_ms BIGINT NOT NULL, 
	last_update_time_ms BIGINT NOT NULL, 
	CONSTRAINT review_queue_items_pk PRIMARY KEY (queue_id, item_id), 
	CONSTRAINT fk_review_queue_items_queue_id FOREIGN KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE CASCADE
);
CREATE TABLE review_queue_label_schemas (
	queue_id VARCHAR(36) NOT NULL, 
	schema_id VARCHAR(36) NOT NULL, 
	CONSTRAINT review_queue_label_schemas_pk PRIMARY KEY (queue_id, schema_id), 
	CONSTRAINT fk_review_queue_label_schemas_queue_id FOREIGN KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE CASCADE
);
CREATE TABLE review_queue_users (
	queue_id VARCHAR(36) NOT NULL, 
	user_id VARCHAR(250) NOT NULL, 
	CONSTRAINT review_queue_users_pk PRIMARY KEY (queue_id, user_id), 
	CONSTRAINT fk_review_queue_users_queue_id FOREIGN KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE CASCADE
);
CREATE TABLE review_queues (
	queue_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	queue_type VARCHAR(16) NOT NULL, 
	created_by VARCHAR(255), 
	creation_time_ms BIGINT NOT NULL, 
	last_update_time_ms BIGINT NOT NULL, 
	name_key VARCHAR(250) NOT NULL, 
	CONSTRAINT review_queues_pk PRIMARY KEY (queue_id), 
	CONSTRAINT fk_review_queues_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE, 
	CONSTRAINT uq_review_queues_experiment_name_key UNIQUE (experiment_id, name_key)
);
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO "runs" VALUES('1388d02e56584c0697164b681c083103','strict-4','UNKNOWN','','','unknown','FINISHED',1795819860312,1795819860728,'','active','mlflow-artifacts:/0/1388d02e56584c0697164b681c083103/artifacts',0,NULL);
INSERT INTO "runs" VALUES('79c753606e6e49d79b164c5df41346f7','strict-5','UNKNOWN','','','unknown','FINISHED',1795819862000,1795819862276,'','active','mlflow-artifacts:/0/79c753606e6e49d79b164c5df41346f7/artifacts',0,NULL);
INSERT INTO "runs" VALUES('ba7b9cb21c174a0b9c3a37ad6ae8371b','never-loads','UNKNOWN','','','unknown','FINISHED',1795819862316,1795819862438,'','active','mlflow-artifacts:/0/ba7b9cb21c174a0b9c3a37ad6ae8371b/artifacts',0,NULL);
INSERT INTO "runs" VALUES('e521f22bf1ac476a90d44ac11303bba4','absent-4','UNKNOWN','','','unknown','FINISHED',1795819864169,1795819864598,'','active','mlflow-artifacts:/0/e521f22bf1ac476a90d44ac11303bba4/artifacts',0,NULL);
INSERT INTO "runs" VALUES('a77a8fca58fd4577ba49859fcb76cb94','service-left','UNKNOWN','','','','FINISHED',1795819865204,1795820123436,'','active','mlflow-artifacts:/0/a77a8fca58fd4577ba49859fcb76cb94/artifacts',0,NULL);
INSERT INTO "runs" VALUES('11c77d492265490c85959914250f4734','service-leaving','UNKNOWN','','','','RUNNING',1795819865354,NULL,'','active','mlflow-artifacts:/0/11c77d492265490c85959914250f4734/artifacts',0,NULL);
INSERT INTO "runs" VALUES('922adc09f4f641d59f3da262a38c4d90','service-refused','UNKNOWN','','','','RUNNING',1795819865486,NULL,'','active','mlflow-artifacts:/0/922adc09f4f641d59f3da262a38c4d90/artifacts',0,NULL);
INSERT INTO "runs" VALUES('0585d050fca94b3f912d6c8ccc37e319','service-swapping','UNKNOWN','','','','RUNNING',1795819865596,NULL,'','active','mlflow-artifacts:/0/0585d050fca94b3f912d6c8ccc37e319/artifacts',0,NULL);
INSERT INTO "runs" VALUES('b97f54bf395c420fb31009c1a10dac76','control','UNKNOWN','','','','RUNNING',1795819866973,NULL,'','active','mlflow-artifacts:/0/b97f54bf395c420fb31009c1a10dac76/artifacts',0,NULL);
INSERT INTO "runs" VALUES('b1bea32c241a4d7b9ffa1c47e98db7ad','publishes','UNKNOWN','','','','FINISHED',1795819868508,1795820053479,'','active','mlflow-artifacts:/0/b1bea32c241a4d7b9ffa1c47e98db7ad/artifacts',0,NULL);
INSERT INTO "runs" VALUES('f97036314e9842549f49294fc9abcb6e','raises','UNKNOWN','','','','FAILED',1795819871285,1795820024044,'','active','mlflow-artifacts:/0/f97036314e9842549f49294fc9abcb6e/artifacts',0,NULL);
INSERT INTO "runs" VALUES('dc63626c73294e088224e3a8a0450a03','dies-once','UNKNOWN','','','','FINISHED',1795819871768,1795820115580,'','active','mlflow-artifacts:/0/dc63626c73294e088224e3a8a0450a03/artifacts',0,NULL);
INSERT INTO "runs" VALUES('fb937b1a76344d488127ef013e1d2aa7','counts','UNKNOWN','','','','FINISHED',1795819872952,1795820044533,'','active','mlflow-artifacts:/0/fb937b1a76344d488127ef013e1d2aa7/artifacts',0,NULL);
INSERT INTO "runs" VALUES('1af991f70f10468f875196e8d2ccef25','elsewhere','UNKNOWN','','','','FINISHED',1795819874766,1795820043002,'','active','mlflow-artifacts:/1/1af991f70f10468f875196e8d2ccef25/artifacts',1,NULL);
INSERT INTO "runs" VALUES('fefd61a74a4c42d78c4ac7bfd322ae04','cancelled-queued','UNKNOWN','','','','KILLED',1795819876410,1795819878862,'','active','mlflow-artifacts:/0/fefd61a74a4c42d78c4ac7bfd322ae04/artifacts',0,NULL);
INSERT INTO "runs" VALUES('572f60363fa64c27bd43bbe8653803d8','cancelled-running','UNKNOWN','','','','KILLED',1795819879420,1795820061110,'','active','mlflow-artifacts:/0/572f60363fa64c27bd43bbe8653803d8/artifacts',0,NULL);
INSERT INTO "runs" VALUES('bf4c41378ad643f8a1cfd30ca5d3645d','service-digits','UNKNOWN','','','','RUNNING',1795820054522,NULL,'','active','mlflow-artifacts:/0/bf4c41378ad643f8a1cfd30ca5d3645d/artifacts',0,NULL);
INSERT INTO "runs" VALUES('e75a4aa3ef5d4807a67daaa5e6d3683c','service-waiting','UNKNOWN','','','','RUNNING',1795820138715,NULL,'','active','mlflow-artifacts:/0/e75a4aa3ef5d4807a67daaa5e6d3683c/artifacts',0,NULL);
INSERT INTO "runs" VALUES('eaa69dfe400341ec9d8085e64456f890','hung','UNKNOWN','','','','RUNNING',1795820139390,NULL,'','active','mlflow-artifacts:/0/eaa69dfe400341ec9d8085e64456f890/artifacts',0,NULL);
INSERT INTO "runs" VALUES('8883671286a44bdba13f9f5ae7c2df4d','running','UNKNOWN','','','','RUNNING',1795820140731,NULL,'','active','mlflow-artifacts:/0/8883671286a44bdba13f9f5ae7c2df4d/artifacts',0,NULL);
INSERT INTO "runs" VALUES('0994c89aad0c4700b24dca5a6c950b38','cancelling','UNKNOWN','','','','RUNNING',1795820141772,NULL,'','active','mlflow-artifacts:/0/0994c89aad0c4700b24dca5a6c950b38/artifacts',0,NULL);
INSERT INTO "runs" VALUES('bcf2e2d6ce3d4801b766051d461f73c5','starting','UNKNOWN','','','','SCHEDULED',1795820273460,NULL,'','active','mlflow-artifacts:/0/bcf2e2d6ce3d4801b766051d461f73c5/artifacts',0,NULL);
INSERT INTO "runs" VALUES('baad6b40b43e4b839f7260f8bf72c16a','waiting','UNKNOWN','','','','SCHEDULED',1795820274951,NULL,'','active','mlflow-artifacts:/0/baad6b40b43e4b839f7260f8bf72c16a/artifacts',0,NULL);
INSERT INTO "runs" VALUES('d139f838ea0b413098ca56e7d361cc64','submitted','UNKNOWN','','','','SCHEDULED',1795820279415,NULL,'','active','mlflow-artifacts:/0/d139f838ea0b413098ca56e7d361cc64/artifacts',0,NULL);
CREATE TABLE scheduler_leases (
	lease_key VARCHAR(255) NOT NULL, 
	acquired_at BIGINT NOT NULL, 
	ttl_seconds INTEGER NOT NULL, 
	CONSTRAINT scheduler_leases_pk PRIMARY KEY (lease_key)
);
CREATE TABLE scorer_versions (
	scorer_id VARCHAR(36) NOT NULL, 
	scorer_version INTEGER NOT NULL, 
	serialized_scorer TEXT NOT NULL, 
	creation_time BIGINT, 
	CONSTRAINT scorer_version_pk PRIMARY KEY (scorer_id, scorer_version), 
	CONSTRAINT fk_scorer_versions_scorer_id FOREIGN KEY(scorer_id) REFERENCES scorers (scorer_id) ON DELETE CASCADE
);
CREATE TABLE scorers (
	experiment_id INTEGER NOT NULL, 
	scorer_name VARCHAR(256) NOT NULL, 
	scorer_id VARCHAR(36) NOT NULL, 
	CONSTRAINT scorer_pk PRIMARY KEY (scorer_id), 
	CONSTRAINT fk_scorers_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
CREATE TABLE "secrets" (
	secret_id VARCHAR(36) NOT NULL, 
	secret_name VARCHAR(255) NOT NULL, 
	encrypted_value BLOB NOT NULL, 
	wrapped_dek BLOB NOT NULL, 
	kek_version INTEGER NOT NULL, 
	masked_value VARCHAR(500) NOT NULL, 
	provider VARCHAR(64), 
	auth_config TEXT, 
	description TEXT, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT secrets_pk PRIMARY KEY (secret_id), 
	CONSTRAINT uq_secrets_workspace_secret_name UNIQUE (workspace, secret_name)
);
CREATE TABLE span_metrics (
	trace_id VARCHAR(50) NOT NULL, 
	span_id VARCHAR(50) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT, 
	CONSTRAINT span_metrics_pk PRIMARY KEY (trace_id, span_id, "key"), 
	CONSTRAINT fk_span_metrics_span FOREIGN KEY(trace_id, span_id) REFERENCES spans (trace_id, span_id) ON DELETE CASCADE
);
CREATE TABLE "spans" (
	trace_id VARCHAR(50) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	span_id VARCHAR(50) NOT NULL, 
	parent_span_id VARCHAR(50), 
	name TEXT, 
	type VARCHAR(500), 
	status VARCHAR(50) NOT NULL, 
	start_time_unix_nano BIGINT NOT NULL, 
	end_time_unix_nano BIGINT, 
	duration_ns BIGINT GENERATED ALWAYS AS (end_time_unix_nano - start_time_unix_nano) STORED, 
	content TEXT NOT NULL, 
	input_cost FLOAT, 
	output_cost FLOAT, 
	total_cost FLOAT, 
	model_name VARCHAR(500), 
	model_provider VARCHAR(500), 
	CONSTRAINT spans_pk PRIMARY KEY (trace_id, span_id), 
	CONSTRAINT fk_spans_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_spans_trace_id FOREIGN KEY(trace_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE sql_assessment_daily_rollups (
	id INTEGER NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	metric_name VARCHAR(250) NOT NULL, 
	grouping_set VARCHAR(50) NOT NULL, 
	sample_count BIGINT NOT NULL, 
	sum_value FLOAT, 
	min_value FLOAT, 
	max_value FLOAT, 
	CONSTRAINT sql_assessment_daily_rollups_pk PRIMARY KEY (id)
);
CREATE TABLE sql_span_cost_daily_rollups (
	id INTEGER NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	metric_name VARCHAR(250) NOT NULL, 
	grouping_set VARCHAR(50) NOT NULL, 
	model_name VARCHAR(500), 
	model_provider VARCHAR(500), 
	sample_count BIGINT NOT NULL, 
	sum_value FLOAT, 
	min_value FLOAT, 
	max_value FLOAT, 
	CONSTRAINT sql_span_cost_daily_rollups_pk PRIMARY KEY (id)
);
CREATE TABLE sql_trace_metric_daily_rollups (
	id INTEGER NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	metric_name VARCHAR(250) NOT NULL, 
	grouping_set VARCHAR(50) NOT NULL, 
	trace_status VARCHAR(50), 
	sample_count BIGINT NOT NULL, 
	sum_value FLOAT, 
	min_value FLOAT, 
	max_value FLOAT, 
	p50_value FLOAT, 
	p90_value FLOAT, 
	p99_value FLOAT, 
	CONSTRAINT sql_trace_metric_daily_rollups_pk PRIMARY KEY (id)
);
CREATE TABLE sql_trace_rollup_rebuild_queue (
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	rollup_family VARCHAR(50) NOT NULL, 
	CONSTRAINT sql_trace_rollup_rebuild_queue_pk PRIMARY KEY (experiment_id, rollup_day, rollup_family)
);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "tags" VALUES('mlflow.runName','strict-4','1388d02e56584c0697164b681c083103');
INSERT INTO "tags" VALUES('mlflow.runName','strict-5','79c753606e6e49d79b164c5df41346f7');
INSERT INTO "tags" VALUES('mlflow.runName','never-loads','ba7b9cb21c174a0b9c3a37ad6ae8371b');
INSERT INTO "tags" VALUES('mlflow.runName','absent-4','e521f22bf1ac476a90d44ac11303bba4');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.kind','service','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.name','left','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"service","name":"left","project":"default","model":"models:/strict/1","replicas":"1","resources":{"cpus":0.25,"gpus":0.0,"memory":null,"accelerator":null},"limits":{"body":67108864,"time":60.0,"queue":100},"engine":null,"allow_pickle":false,"env":{}}','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.phase','undeployed','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.reason','','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('mlflow.user','ada','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('mlflow.source.name','models:/strict/1','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('mlflow.runName','service-left','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.kind','service','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.name','leaving','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"service","name":"leaving","project":"default","model":"models:/strict/1","replicas":"1","resources":{"cpus":0.25,"gpus":0.0,"memory":null,"accelerator":null},"limits":{"body":67108864,"time":60.0,"queue":100},"engine":null,"allow_pickle":false,"env":{}}','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.phase','undeploying','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.reason','its replicas finish what they answer','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('mlflow.user','ada','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('mlflow.source.name','models:/strict/1','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('mlflow.runName','service-leaving','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.kind','service','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.name','refused','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"service","name":"refused","project":"default","model":"models:/strict@champion","replicas":"1","resources":{"cpus":0.25,"gpus":0.0,"memory":null,"accelerator":null},"limits":{"body":67108864,"time":60.0,"queue":100},"engine":null,"allow_pickle":false,"env":{}}','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.phase','healthy','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.reason','keeps version 1: version 2: it takes input float32[-1, 5], where version 1 takes input float32[-1, 4]; deploy it as a service of its own','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('mlflow.user','ada','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('mlflow.source.name','models:/strict@champion','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('mlflow.runName','service-refused','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.kind','service','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.name','swapping','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"service","name":"swapping","project":"default","model":"models:/strict@swapping","replicas":"1","resources":{"cpus":0.25,"gpus":0.0,"memory":null,"accelerator":null},"limits":{"body":67108864,"time":60.0,"queue":100},"engine":null,"allow_pickle":false,"env":{}}','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.phase','swapping','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.reason','version 3 brings Python of its own and gets new replicas','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('mlflow.user','ada','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('mlflow.source.name','models:/strict@swapping','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('mlflow.runName','service-swapping','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "tags" VALUES('journeyman.kind','control','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "tags" VALUES('journeyman.name','control','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "tags" VALUES('mlflow.runName','control','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "tags" VALUES('journeyman.beat','4 41 1795820277531','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "tags" VALUES('mlflow.note.content','**control-host-26675-1795820150** is in control of cluster bbd3edb5e23b4a39b26852a55909cba6, term 4.','b97f54bf395c420fb31009c1a10dac76');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.kind','job','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.name','publishes','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"publishes","project":"default","entrypoint":"loops:publishes","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":{"model":"digits","alias":"champion"}}','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.phase','finished','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.reason','published digits/1','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.submission_key','cf82b6fb26c3415694f6d072942b2722','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.code_sha256','7f36bf7da3b5a4d542db3430d9a0092e6f0cd76fd755b41ae4c82ce709fbbd01','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('mlflow.user','ada','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:publishes','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('mlflow.runName','publishes','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.rollout','{"model": "strict", "serving": "1", "generation": 1, "trial": 1, "proven": true, "candidate": null, "candidate_since_s": 0.0, "surge_because": "", "refused": null, "refused_because": ""}','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.url','http://127.0.0.1:9/left','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.rollout','{"model": "strict", "serving": "1", "generation": 1, "trial": 1, "proven": true, "candidate": null, "candidate_since_s": 0.0, "surge_because": "", "refused": null, "refused_because": ""}','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.url','http://127.0.0.1:9/leaving','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.rollout','{"model": "strict", "serving": "1", "generation": 1, "trial": 2, "proven": true, "candidate": null, "candidate_since_s": 1795820117.418, "surge_because": "", "refused": "2", "refused_because": "it takes input float32[-1, 5], where version 1 takes input float32[-1, 4]; deploy it as a service of its own"}','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.url','http://127.0.0.1:9/refused','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795819868783','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.rollout','{"model": "strict", "serving": "1", "generation": 1, "trial": 2, "proven": true, "candidate": "3", "candidate_since_s": 1795820156.426, "surge_because": "brings Python of its own", "refused": null, "refused_because": ""}','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.url','http://127.0.0.1:9/swapping','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.kind','job','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.name','raises','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"raises","project":"default","entrypoint":"loops:raises","run":null,"config":{},"workers":"2","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.phase','failed','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.reason','rank 1: ValueError: no such column: price','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.submission_key','d6de4fd4784647bf80abe81e06271562','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.code_sha256','e2dd0181f30bc9a6bc07c340a969a28a5ca6e260e7caeaf93b7e34a24dc8d8c6','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('mlflow.user','ada','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:raises','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('mlflow.runName','raises','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.attempt','1','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795819985000','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795819871474','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.kind','job','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.name','dies-once','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"dies-once","project":"default","entrypoint":"loops:dies_once","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.phase','finished','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.reason','training is done','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.submission_key','982ece7cea4644ddbcc6e2f75f4fa3a6','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.code_sha256','b8c95ca52671c5011b9b6fa3938b81f20cff974718d45c174e2f3002b39e76bc','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('mlflow.user','ada','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:dies_once','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('mlflow.runName','dies-once','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795819872307','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.kind','job','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.name','counts','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"counts","project":"default","entrypoint":"loops:counts","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.phase','finished','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.reason','training is done','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.submission_key','913116d067464db9bdd1adc4137e955b','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.code_sha256','afdd535afe46ef8baa7900b0674dbccab8b02e34a5b3dad9599dd74af20ee90d','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('mlflow.user','ada','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:counts','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('mlflow.runName','counts','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795819873838','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.attempt','1','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795819985020','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.kind','job','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.name','elsewhere','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"elsewhere","project":"house prices","entrypoint":"loops:counts","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.phase','finished','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.reason','training is done','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.submission_key','955f1132cf1a4d2a8f9e4c70b3884597','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.code_sha256','a4ff0d37fe1fab112bad5bc4dede140a2126696bbbe496d8aa714fb25928171c','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('mlflow.user','ada','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:counts','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('mlflow.runName','elsewhere','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.attempt','2','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795820103151','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795819875311','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.attempt','1','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795820010000','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.kind','job','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.name','cancelled-queued','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"cancelled-queued","project":"default","entrypoint":"loops:counts","run":null,"config":{},"workers":"2","resources":{"cpus":4.0,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.phase','cancelled','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.reason','cancelled before it started','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.submission_key','1795377c44064c43946d97af6fd19340','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.code_sha256','6395101f0149053ceb2d859a9e521008d418bc1da6f108d057c55201915a8933','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('mlflow.user','ada','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:counts','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('mlflow.runName','cancelled-queued','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795819876721','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.attempt','1','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795820010000','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.cancel_requested_ms','1795819878634','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('mlflow.note.content','**cancelled-queued** ran `loops:counts` on 2 workers.  
It **cancelled** after 0 min 2 s: cancelled before it started.  
It logged no metrics.  
Run it again: `journeyman submit` with `spec.yaml` and the code under the artifacts.  
Logs: `journeyman logs fefd61a7`, or the artifacts under `logs`.','fefd61a74a4c42d78c4ac7bfd322ae04');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.kind','job','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.name','cancelled-running','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"cancelled-running","project":"default","entrypoint":"loops:steps","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.phase','cancelled','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.reason','cancelled while it ran','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.submission_key','f6ddf370bbbc4a27bd95c3a6bf9b8ff4','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.code_sha256','60e2635fbd0abcee65c6caa1e5c11d34af881bb71e9aff9732a54da11eb397aa','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('mlflow.user','ada','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:steps','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('mlflow.runName','cancelled-running','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795819879616','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.attempt','1','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795820010000','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.outcome.1','{"cause": "user", "message": "ValueError: no such column: price", "rank": 1, "node": "host", "detail": "Traceback (most recent call last):\n  File \"/tmp/journeyman-bfa72b75/session_2026-11-27_22-50-45_440344_21764/runtime_resources/working_dir_files/_ray_pkg_e2dd0181f30bc9a6bc07c340a969a28a/loops.py\", line 34, in raises\n    raise ValueError(\"no such column: price\")\nValueError: no such column: price\n"}','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.outcome.1','{"cause": "machine", "message": "its process died without a word: killed, as when memory runs out, or crashed, as by SIGSEGV", "rank": 0, "node": "host", "detail": ""}','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('mlflow.note.content','**raises** ran `loops:raises` on 2 workers.  
It **failed** after 2 min 32 s: rank 1: ValueError: no such column: price.  
It logged no metrics.  
Run it again: `journeyman submit` with `spec.yaml` and the code under the artifacts.  
Logs: `journeyman logs f9703631`, or the artifacts under `logs`.','f97036314e9842549f49294fc9abcb6e');
INSERT INTO "tags" VALUES('journeyman.outcome.1','{"cause": "finished", "message": "training finished", "rank": null, "node": "", "detail": ""}','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.outcome.1','{"cause": "finished", "message": "training finished", "rank": null, "node": "", "detail": ""}','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.replica.9c91t4dw','{"generation": 1, "serving": "1", "trial": 2, "candidate": "3", "candidate_state": "new_replicas", "reason": "brings Python of its own", "hardware": "3a540fed1332", "engine": "onnxruntime", "engine_trouble": ""}','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.replica.gh3fafzv','{"generation": 1, "serving": "1", "trial": 2, "candidate": null, "candidate_state": null, "reason": "", "hardware": "3a540fed1332", "engine": "onnxruntime", "engine_trouble": ""}','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.publication','{"model": "digits", "version": "1", "error": "", "hint": "", "weights": "/home/ada/.journeyman/runs/b1bea32c241a4d7b9ffa1c47e98db7ad/weights.pt"}','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.model_version','digits/1','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.outcome.1','{"cause": "finished", "message": "training finished", "rank": null, "node": "", "detail": ""}','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.model','strict','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.serving_version','1','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.model_run','1388d02e56584c0697164b681c083103','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('mlflow.note.content','**refused** answers with version **1** of model **strict** (models:/strict@champion).  
Since 2026-11-27 22:53:59 UTC.  
URL: http://127.0.0.1:9/refused/invocations  
`curl http://127.0.0.1:9/refused/invocations -H ''Content-Type: application/json'' -d ''{"inputs":[[1.0,1.0,1.0,1.0],[1.0,1.0,1.0,1.0]]}''`  
Stop it with `journeyman undeploy refused`.','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('mlflow.note.content','**elsewhere** ran `loops:counts` on 1 worker.  
It **finished** after 2 min 48 s: training is done.  
Newest metrics: count 2.  
It published no model.  
Logs: `journeyman logs 1af991f7`, or the artifacts under `logs`.','1af991f70f10468f875196e8d2ccef25');
INSERT INTO "tags" VALUES('journeyman.model','strict','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.serving_version','1','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.model_run','1388d02e56584c0697164b681c083103','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('mlflow.note.content','**swapping** answers with version **1** of model **strict** (models:/strict@swapping).  
Since 2026-11-27 22:53:59 UTC.  
URL: http://127.0.0.1:9/swapping/invocations  
`curl http://127.0.0.1:9/swapping/invocations -H ''Content-Type: application/json'' -d ''{"inputs":[[1.0,1.0,1.0,1.0],[1.0,1.0,1.0,1.0]]}''`  
Stop it with `journeyman undeploy swapping`.','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('mlflow.note.content','**counts** ran `loops:counts` on 1 worker.  
It **finished** after 2 min 51 s: training is done.  
Newest metrics: count 2.  
It published no model.  
Logs: `journeyman logs fb937b1a`, or the artifacts under `logs`.','fb937b1a76344d488127ef013e1d2aa7');
INSERT INTO "tags" VALUES('journeyman.model','strict','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.serving_version','1','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.model_run','1388d02e56584c0697164b681c083103','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('mlflow.note.content','**left** answers with version **1** of model **strict** (models:/strict/1).  
Since 2026-11-27 22:54:05 UTC.  
URL: http://127.0.0.1:9/left/invocations  
`curl http://127.0.0.1:9/left/invocations -H ''Content-Type: application/json'' -d ''{"inputs":[[1.0,1.0,1.0,1.0],[1.0,1.0,1.0,1.0]]}''`  
Stop it with `journeyman undeploy left`.','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.model','strict','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.serving_version','1','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.model_run','1388d02e56584c0697164b681c083103','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('mlflow.note.content','**leaving** answers with version **1** of model **strict** (models:/strict/1).  
Since 2026-11-27 22:54:05 UTC.  
URL: http://127.0.0.1:9/leaving/invocations  
`curl http://127.0.0.1:9/leaving/invocations -H ''Content-Type: application/json'' -d ''{"inputs":[[1.0,1.0,1.0,1.0],[1.0,1.0,1.0,1.0]]}''`  
Stop it with `journeyman undeploy leaving`.','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('mlflow.note.content','**publishes** ran `loops:publishes` on 1 worker.  
It **finished** after 3 min 4 s: published digits/1.  
Newest metrics: loss 0.5.  
Deploy `models:/digits/1`, then `journeyman query digits --example`, or POST to `http://127.0.0.1:9/digits/invocations`.  
Logs: `journeyman logs b1bea32c`, or the artifacts under `logs`.','b1bea32c241a4d7b9ffa1c47e98db7ad');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.kind','service','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.name','digits','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"service","name":"digits","project":"default","model":"models:/digits@champion","replicas":"1","resources":{"cpus":0.25,"gpus":0.0,"memory":null,"accelerator":null},"limits":{"body":67108864,"time":60.0,"queue":100},"engine":null,"allow_pickle":false,"env":{}}','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.phase','healthy','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.reason','','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('mlflow.user','ada','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('mlflow.source.name','models:/digits@champion','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('mlflow.runName','service-digits','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.cancel_requested_ms','1795820055479','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.rollout','{"model": "digits", "serving": "1", "generation": 1, "trial": 1, "proven": true, "candidate": null, "candidate_since_s": 0.0, "surge_because": "", "refused": null, "refused_because": ""}','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.url','http://127.0.0.1:9/digits','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('mlflow.note.content','**cancelled-running** ran `loops:steps` on 1 worker.  
It **cancelled** after 3 min 1 s: cancelled while it ran.  
Newest metrics: loss 0.01587.  
Run it again: `journeyman submit` with `spec.yaml` and the code under the artifacts.  
Logs: `journeyman logs 572f6036`, or the artifacts under `logs`.','572f60363fa64c27bd43bbe8653803d8');
INSERT INTO "tags" VALUES('journeyman.replica.npc2wubd','{"generation": 1, "serving": "1", "trial": 1, "candidate": null, "candidate_state": null, "reason": "", "hardware": "3a540fed1332", "engine": "onnxruntime", "engine_trouble": ""}','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.model','digits','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.serving_version','1','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.model_run','b1bea32c241a4d7b9ffa1c47e98db7ad','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('mlflow.note.content','**digits** answers with version **1** of model **digits** (models:/digits@champion).  
Since 2026-11-27 22:55:04 UTC.  
URL: http://127.0.0.1:9/digits/invocations  
`curl http://127.0.0.1:9/digits/invocations -H ''Content-Type: application/json'' -d ''{"inputs":[[1.0,1.0,1.0,1.0],[1.0,1.0,1.0,1.0]]}''`  
Stop it with `journeyman undeploy digits`.','bf4c41378ad643f8a1cfd30ca5d3645d');
INSERT INTO "tags" VALUES('journeyman.outcome.2','{"cause": "finished", "message": "training finished", "rank": null, "node": "", "detail": ""}','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('mlflow.note.content','**dies-once** ran `loops:dies_once` on 1 worker.  
It **finished** after 4 min 3 s, 2 attempts: training is done.  
Newest metrics: seen 1.  
It published no model.  
Logs: `journeyman logs dc63626c`, or the artifacts under `logs`.','dc63626c73294e088224e3a8a0450a03');
INSERT INTO "tags" VALUES('journeyman.undeploy_requested_ms','1795820116791','a77a8fca58fd4577ba49859fcb76cb94');
INSERT INTO "tags" VALUES('journeyman.candidate_version','','922adc09f4f641d59f3da262a38c4d90');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('journeyman.kind','service','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('journeyman.name','waiting','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"service","name":"waiting","project":"default","model":"models:/absent@champion","replicas":"1","resources":{"cpus":0.25,"gpus":0.0,"memory":null,"accelerator":null},"limits":{"body":67108864,"time":60.0,"queue":100},"engine":null,"allow_pickle":false,"env":{}}','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('journeyman.phase','deploying','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('journeyman.reason','waits for its model: model absent has no alias champion','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('mlflow.user','ada','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('mlflow.source.name','models:/absent@champion','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('mlflow.runName','service-waiting','e75a4aa3ef5d4807a67daaa5e6d3683c');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.kind','job','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.name','hung','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"hung","project":"default","entrypoint":"loops:stops_stepping","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.phase','hung','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.reason','no step for 1 min 2 s, where one takes 0.053 s; stacks under stacks/1-20261127T225751Z.txt','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.submission_key','108447c53de14d9ba70fac0cee693f5e','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.code_sha256','04debbe81dd8f499fa22e4be8679c511c28af330578d90ecbf1f294bfc5fa85f','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('mlflow.user','ada','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:stops_stepping','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('mlflow.runName','hung','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795820139849','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.kind','job','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.name','running','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"running","project":"default","entrypoint":"loops:steps","run":null,"config":{},"workers":"2","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.phase','running','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.reason','runs on 2 workers','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.submission_key','45cd5d136acc4127b37778ab386d4e27','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.code_sha256','e2617097f47f003ce9b7d03432ba5e00df92a8ac45ecdd5836fc067ae6a4489a','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('mlflow.user','ada','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:steps','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('mlflow.runName','running','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795820141112','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.kind','job','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.name','cancelling','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"cancelling","project":"default","entrypoint":"loops:steps","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.phase','cancelling','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.reason','stops: cancel was asked for','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.submission_key','5a509752aa98475094fdaffe50982221','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.code_sha256','5ba65e1d94e48d73c40b7a2f1f2b1765aa5c6272c2f268ae20e40b00afa7e73d','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('mlflow.user','ada','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:steps','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('mlflow.runName','cancelling','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795820142265','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.attempt','1','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795820203942','eaa69dfe400341ec9d8085e64456f890');
INSERT INTO "tags" VALUES('journeyman.attempt','1','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795820208855','8883671286a44bdba13f9f5ae7c2df4d');
INSERT INTO "tags" VALUES('journeyman.attempt','1','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','1795820209070','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.candidate_version','3','0585d050fca94b3f912d6c8ccc37e319');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.kind','job','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.name','starting','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"starting","project":"default","entrypoint":"loops:counts","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.phase','starting','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.reason','starts: 1 × 0.5 CPUs are free','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.submission_key','f27c5da046a141a5bf3430ac5ffa9e6f','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.code_sha256','b914c02ca5412a46d3abd99323f94c3aa754d014852ad50b86b6ec67f6278ca4','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('mlflow.user','ada','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:counts','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('mlflow.runName','starting','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795820273587','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.attempt','1','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.workers_started_ms','','bcf2e2d6ce3d4801b766051d461f73c5');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.kind','job','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.name','waiting','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"waiting","project":"default","entrypoint":"loops:counts","run":null,"config":{"epochs":3,"optimizer":{"lr":0.1}},"workers":"2","resources":{"cpus":4.0,"gpus":0.0,"memory":null,"accelerator":null},"requirements":["einops>=0.8"],"env":{"GREETING":"hello"},"secrets":["PRICES_TOKEN"],"data":{"more":"s3://prices/more","train":"train.csv"},"storage":"/home/ada/.journeyman/runs","max_duration":43200.0,"publish":null}','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.phase','queued','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.reason','waits: needs 2 × 4 CPUs, free are 4.25 CPUs of 8 CPUs; service refused (1 replica) holds 0.25 CPUs, `journeyman undeploy refused` frees them; service swapping (2 replicas) holds 0.25 CPUs, `journeyman undeploy swapping` frees them; service digits (1 replica) holds 0.25 CPUs, `journeyman undeploy digits` frees them','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.submission_key','62027a98379b4684a7969defce9d14a1','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.code_sha256','b0f4444efb72c8f2940e9a02210b604c243d127d3e89e273260dd1f5be50d1fa','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('mlflow.user','ada','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:counts','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.data_digests','{"more": "1b7587ed816e8b48", "train": "894ffd462138ab26"}','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('mlflow.runName','waiting','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795820275996','baad6b40b43e4b839f7260f8bf72c16a');
INSERT INTO "tags" VALUES('journeyman.undeploy_requested_ms','1795820277746','11c77d492265490c85959914250f4734');
INSERT INTO "tags" VALUES('journeyman.cancel_requested_ms','1795820277897','0994c89aad0c4700b24dca5a6c950b38');
INSERT INTO "tags" VALUES('journeyman.schema_version','1','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.kind','job','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.cluster','bbd3edb5e23b4a39b26852a55909cba6','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.name','submitted','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.spec','{"kind":"train","name":"submitted","project":"default","entrypoint":"loops:counts","run":null,"config":{},"workers":"1","resources":{"cpus":0.5,"gpus":0.0,"memory":null,"accelerator":null},"requirements":[],"env":{},"secrets":[],"data":{},"storage":"/home/ada/.journeyman/runs","max_duration":null,"publish":null}','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.phase','queued','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.reason','submitted','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.submission_key','52602c6b99af4df199aca4c3c6a9423c','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.code_sha256','6a60c2b6bdfe4d7534e4e1d9916099ffab3d7fe205d565a70fe13e5629947626','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('mlflow.user','ada','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('mlflow.source.name','loops:counts','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('mlflow.source.type','PROJECT','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('mlflow.runName','submitted','d139f838ea0b413098ca56e7d361cc64');
INSERT INTO "tags" VALUES('journeyman.submitted_ms','1795820279608','d139f838ea0b413098ca56e7d361cc64');
CREATE TABLE "trace_info" (
	request_id VARCHAR(50) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	timestamp_ms BIGINT NOT NULL, 
	execution_time_ms BIGINT, 
	status VARCHAR(50) NOT NULL, 
	client_request_id VARCHAR(50), 
	request_preview VARCHAR(1000), 
	response_preview VARCHAR(1000), 
	db_payload_generation INTEGER DEFAULT '0' NOT NULL, trace_name VARCHAR(4096), session_id VARCHAR(250), input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT, cache_read_input_tokens BIGINT, cache_creation_input_tokens BIGINT, cache_creation_input_tokens_above_1hr BIGINT, input_cost FLOAT, output_cost FLOAT, total_cost FLOAT, 
	CONSTRAINT trace_info_pk PRIMARY KEY (request_id), 
	CONSTRAINT fk_trace_info_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
CREATE TABLE trace_metrics (
	request_id VARCHAR(50) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT, 
	CONSTRAINT trace_metrics_pk PRIMARY KEY (request_id, "key"), 
	CONSTRAINT fk_trace_metrics_request_id FOREIGN KEY(request_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE "trace_request_metadata" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	request_id VARCHAR(50) NOT NULL, 
	CONSTRAINT trace_request_metadata_pk PRIMARY KEY ("key", request_id), 
	CONSTRAINT fk_trace_request_metadata_request_id FOREIGN KEY(request_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE "trace_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	request_id VARCHAR(50) NOT NULL, 
	CONSTRAINT trace_tag_pk PRIMARY KEY ("key", request_id), 
	CONSTRAINT fk_trace_tags_request_id FOREIGN KEY(request_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE webhook_events (
	webhook_id VARCHAR(256) NOT NULL, 
	entity VARCHAR(50) NOT NULL, 
	action VARCHAR(50) NOT NULL, 
	CONSTRAINT webhook_event_pk PRIMARY KEY (webhook_id, entity, action), 
	FOREIGN KEY(webhook_id) REFERENCES webhooks (webhook_id) ON DELETE cascade
);
CREATE TABLE "webhooks" (
	webhook_id VARCHAR(256) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	description VARCHAR(1000), 
	url VARCHAR(500) NOT NULL, 
	status VARCHAR(20) DEFAULT 'ACTIVE' NOT NULL, 
	secret VARCHAR(1000), 
	creation_timestamp BIGINT, 
	last_updated_timestamp BIGINT, 
	deleted_timestamp BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT webhook_pk PRIMARY KEY (webhook_id)
);
CREATE TABLE workspaces (
	name VARCHAR(63) NOT NULL, 
	description TEXT, 
	default_artifact_root TEXT, trace_archival_location TEXT, trace_archival_retention VARCHAR(32), 
	CONSTRAINT workspaces_pk PRIMARY KEY (name)
);
INSERT INTO "workspaces" VALUES('default','Default workspace for legacy resources',NULL,NULL,NULL);
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid);
CREATE INDEX index_inputs_input_uuid ON inputs (input_uuid);
CREATE INDEX index_inputs_destination_type_destination_id_source_type ON inputs (destination_type, destination_id, source_type);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE INDEX index_trace_tags_request_id ON trace_tags (request_id);
CREATE INDEX index_trace_request_metadata_request_id ON trace_request_metadata (request_id);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
CREATE INDEX index_datasets_dataset_uuid ON datasets (dataset_uuid);
CREATE INDEX index_datasets_experiment_id_dataset_source_type ON datasets (experiment_id, dataset_source_type);
CREATE INDEX index_logged_model_metrics_model_id ON logged_model_metrics (model_id);
CREATE INDEX index_entity_associations_association_id ON entity_associations (association_id);
CREATE INDEX index_entity_associations_reverse_lookup ON entity_associations (destination_type, destination_id, source_type, source_id);
CREATE INDEX idx_webhook_events_entity ON webhook_events (entity);
CREATE INDEX idx_webhook_events_action ON webhook_events (action);
CREATE INDEX idx_webhook_events_entity_action ON webhook_events (entity, action);
CREATE UNIQUE INDEX index_scorers_experiment_id_scorer_name ON scorers (experiment_id, scorer_name);
CREATE INDEX index_scorer_versions_scorer_id ON scorer_versions (scorer_id);
CREATE INDEX index_evaluation_dataset_tags_dataset_id ON evaluation_dataset_tags (dataset_id);
CREATE INDEX index_evaluation_dataset_records_dataset_id ON evaluation_dataset_records (dataset_id);
CREATE INDEX index_endpoint_model_mappings_endpoint_id ON endpoint_model_mappings (endpoint_id);
CREATE INDEX index_endpoint_model_mappings_model_definition_id ON endpoint_model_mappings (model_definition_id);
CREATE INDEX index_endpoint_tags_endpoint_id ON endpoint_tags (endpoint_id);
CREATE INDEX index_trace_metrics_request_id ON trace_metrics (request_id);
CREATE UNIQUE INDEX unique_endpoint_model_linkage_mapping ON endpoint_model_mappings (endpoint_id, model_definition_id, linkage_type);
CREATE INDEX index_span_metrics_trace_id_span_id ON span_metrics (trace_id, span_id);
CREATE INDEX index_evaluation_datasets_created_time ON evaluation_datasets (created_time);
CREATE INDEX index_evaluation_datasets_name ON evaluation_datasets (name);
CREATE INDEX idx_webhooks_status ON webhooks (status);
CREATE INDEX idx_webhooks_name ON webhooks (name);
CREATE TRIGGER prevent_secrets_aad_mutation
BEFORE UPDATE ON secrets
FOR EACH ROW
WHEN OLD.secret_id != NEW.secret_id OR OLD.secret_name != NEW.secret_name
BEGIN
    SELECT RAISE(ABORT, 'secret_id and secret_name are immutable (used as AAD in encryption)');
END;
CREATE INDEX index_model_definitions_secret_id ON model_definitions (secret_id);
CREATE INDEX index_model_definitions_provider ON model_definitions (provider);
CREATE INDEX index_jobs_name_status_creation_time ON jobs (job_name, workspace, status, creation_time);
CREATE INDEX idx_experiments_workspace ON experiments (workspace);
CREATE INDEX idx_registered_models_workspace ON registered_models (workspace);
CREATE INDEX idx_experiments_workspace_creation_time ON experiments (workspace, creation_time);
CREATE INDEX idx_evaluation_datasets_workspace ON evaluation_datasets (workspace);
CREATE INDEX idx_webhooks_workspace ON webhooks (workspace);
CREATE INDEX idx_secrets_workspace ON secrets (workspace);
CREATE INDEX idx_endpoints_workspace ON endpoints (workspace);
CREATE INDEX idx_model_definitions_workspace ON model_definitions (workspace);
CREATE INDEX idx_budget_policies_workspace ON budget_policies (workspace);
CREATE INDEX index_issues_experiment_id ON issues (experiment_id);
CREATE INDEX index_issues_source_run_id ON issues (source_run_id);
CREATE INDEX index_issues_status ON issues (status);
CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, "key", step);
CREATE INDEX idx_guardrails_workspace ON guardrails (workspace);
CREATE INDEX idx_guardrails_scorer ON guardrails (scorer_id, scorer_version);
CREATE INDEX idx_guardrail_configs_endpoint_id ON guardrail_configs (endpoint_id);
CREATE INDEX idx_guardrail_configs_guardrail_id ON guardrail_configs (guardrail_id);
CREATE INDEX idx_model_version_tags_workspace_name_version ON model_version_tags (workspace, name, version);
CREATE INDEX idx_registered_model_tags_workspace_name ON registered_model_tags (workspace, name);
CREATE INDEX index_label_schemas_experiment_id ON label_schemas (experiment_id);
CREATE INDEX index_review_queues_experiment_id ON review_queues (experiment_id);
CREATE INDEX index_review_queue_users_user_id ON review_queue_users (user_id);
CREATE INDEX index_review_queue_items_queue_id_status ON review_queue_items (queue_id, status);
CREATE INDEX index_review_queue_items_item_id ON review_queue_items (item_id);
CREATE INDEX index_review_queue_label_schemas_schema_id ON review_queue_label_schemas (schema_id);
CREATE INDEX idx_mcp_server_versions_latest ON mcp_server_versions (workspace, name, status, version_major DESC, version_minor DESC, version_patch DESC);
CREATE INDEX ix_mcp_access_endpoints_server_name ON mcp_access_endpoints (workspace, server_name);
CREATE INDEX ix_mcp_access_endpoints_version ON mcp_access_endpoints (workspace, server_name, server_version);
CREATE INDEX ix_mcp_access_endpoints_alias ON mcp_access_endpoints (workspace, server_name, server_alias);
CREATE INDEX idx_budget_policies_target_value ON budget_policies (target_value);
CREATE INDEX index_trace_info_experiment_id_timestamp_ms ON trace_info (experiment_id, timestamp_ms);
CREATE INDEX index_trace_info_timestamp_ms_request_id ON trace_info (timestamp_ms, request_id);
CREATE INDEX index_assessments_last_updated_timestamp ON assessments (last_updated_timestamp);
CREATE INDEX index_assessments_trace_id_created_timestamp ON assessments (trace_id, created_timestamp);
CREATE INDEX index_assessments_assessment_type ON assessments (assessment_type);
CREATE INDEX index_assessments_run_id_created_timestamp ON assessments (run_id, created_timestamp);
CREATE INDEX index_spans_experiment_id_status_type ON spans (experiment_id, status, type);
CREATE INDEX index_spans_experiment_id_start_time ON spans (experiment_id, start_time_unix_nano);
CREATE INDEX index_spans_experiment_id_type_status ON spans (experiment_id, type, status);
CREATE INDEX index_spans_experiment_id_duration ON spans (experiment_id, duration_ns);
CREATE INDEX index_trace_info_experiment_id_session_id ON trace_info (experiment_id, session_id);
CREATE INDEX idx_trace_rollups_lookup ON sql_trace_metric_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set, trace_status);
CREATE INDEX idx_span_cost_rollups_lookup ON sql_span_cost_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set, model_name, model_provider);
CREATE INDEX idx_assessment_rollups_lookup ON sql_assessment_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set);
CREATE INDEX idx_spans_cost_trace_time_cover ON spans (trace_id, start_time_unix_nano);
CREATE INDEX idx_spans_cost_exp_time_cover ON spans (experiment_id, start_time_unix_nano);
CREATE INDEX idx_assessments_exp_trace_ts ON assessments (experiment_id, trace_timestamp_ms);
CREATE INDEX idx_assessments_exp_trace_ts_name ON assessments (experiment_id, trace_timestamp_ms, name);
CREATE INDEX idx_assessments_exp_name_valid ON assessments (experiment_id, name, valid);
CREATE INDEX index_job_locks_job_id ON job_locks (job_id);
CREATE INDEX index_jobs_status_lease_expires_at ON jobs (status, lease_expires_at);
COMMIT;
