//! Which of DataFusion's rules are right for streams.

use std::sync::Arc;

use datafusion::{
    common::{Result, config::ConfigOptions},
    logical_expr::LogicalPlan,
    optimizer::{
        Analyzer, Optimizer, OptimizerContext, OptimizerRule,
        common_subexpr_eliminate::CommonSubexprEliminate,
        decorrelate_lateral_join::DecorrelateLateralJoin,
        decorrelate_predicate_subquery::DecorrelatePredicateSubquery,
        eliminate_cross_join::EliminateCrossJoin,
        eliminate_duplicated_expr::EliminateDuplicatedExpr,
        eliminate_filter::EliminateFilter,
        eliminate_group_by_constant::EliminateGroupByConstant,
        eliminate_outer_join::EliminateOuterJoin,
        extract_equijoin_predicate::ExtractEquijoinPredicate,
        extract_leaf_expressions::{ExtractLeafExpressions, PushDownLeafProjections},
        optimize_projections::OptimizeProjections,
        push_down_filter::PushDownFilter,
        replace_distinct_aggregate::ReplaceDistinctWithAggregate,
        rewrite_set_comparison::RewriteSetComparison,
        scalar_subquery_to_join::ScalarSubqueryToJoin,
        simplify_expressions::SimplifyExpressions,
    },
};

/// What is left out of DataFusion's own list: `SingleDistinctToGroupBy`, whose two aggregations would make a changelog of
/// insertions; rules about limits, which mean another thing while rows still come; and what depends on statistics.
fn rules() -> Vec<Arc<dyn OptimizerRule + Sync + Send>> {
    vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(EliminateGroupByConstant::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(ExtractLeafExpressions::new()),
        Arc::new(PushDownLeafProjections::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// Gives every expression its type, and optimizes.
pub fn optimize(plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
    let analyzed = Analyzer::new().execute_and_check(plan, config, |_, _| {})?;
    // No time is taken for "now": that goes on.
    let context = OptimizerContext::new_with_config_options(Arc::new(config.clone()))
        .without_query_execution_start_time();
    Optimizer::with_rules(rules()).optimize(analyzed, &context, |_, _| {})
}
