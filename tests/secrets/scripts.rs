//! Scripts with mistakes.

/// Scripts that are wrong somewhere, with a secret in the place or near it.
pub fn wrong_scripts() -> Vec<String> {
    let table = |options: &str| {
        format!("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', {options}); SELECT * FROM t;")
    };
    let wrong_table = [
        "'password' 's3cr3t-without-sign'",
        "'password' = s3cr3t_without_quotes",
        "'password' = 's3cr3t-unknown-option'",
        "'password' = 's3cr3t-twice', 'password' = 's3cr3t-twice-2'",
        "'rows-per-second' = 'postgres://me:s3cr3t-number@db/x'",
        "\"password\" = \"s3cr3t-in-other-quotes\"",
        "'rows-per-second' = '1' 'password' = 's3cr3t-behind'",
        "'password' = 's3cr3t-without-end",
        "password = 's3cr3t-bare-key'",
    ];
    let more = [
        "SET 'api.token' = 's3cr3t-set';".to_owned(),
        "SET 'api.token' 's3cr3t-set';".to_owned(),
        "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = 'ftp://me:s3cr3t-ftp@h/x'); \
         INSERT INTO t SELECT a FROM t;"
            .to_owned(),
        "SELECT * FROM missing /*+ OPTIONS('secret' = 's3cr3t-hint') */;".to_owned(),
        "SELECT a FROM (VALUES (1)) AS t (a) WHERE password = 's3cr3t-literal';".to_owned(),
    ];
    wrong_table.map(table).into_iter().chain(more).collect()
}
