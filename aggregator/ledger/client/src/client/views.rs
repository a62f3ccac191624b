//! The contract's views, typed. What is not there is `None`; any other abort is an error.

use super::{Client, Config, Earning, LastAnchor, Node, Root, Session, Totals};
use crate::error::ClientError;
use crate::receipt;
use crate::transport::JSON;
use contract::{Abort, Address, GAS_COIN, MODULE, Value};
use serde_json::{Value as Json, json};

impl Session {
    /// What `get_session` returned; nothing when that is something else.
    pub(crate) fn of(values: &[Value]) -> Option<Session> {
        use Value::{Address as A, Bool as B, U64 as N};
        let [A(sponsor), N(pool), B(closed), N(at), N(last), N(term), A(aggregator), N(count), N(claimed)] = values
        else {
            return None;
        };
        Some(Session {
            sponsor: *sponsor,
            pool: *pool,
            closed: *closed,
            created_at: *at,
            settlement: *last,
            term: *term,
            aggregator: *aggregator,
            participants: *count,
            claimed: *claimed,
        })
    }
}

impl Client {
    /// The contract's settings.
    pub async fn config(&self) -> Result<Config, ClientError> {
        use Value::{Address as A, Bool as B, U64 as N};
        match self.view("get_config", &[]).await?.as_slice() {
            [A(admin), B(paused), N(base), N(bonus), N(threshold), N(delay)] => Ok(Config {
                admin: *admin,
                paused: *paused,
                base_percentage: *base,
                bonus_percentage: *bonus,
                quality_threshold: *threshold,
                claim_delay_s: *delay,
            }),
            _ => Err(unreadable("get_config")),
        }
    }

    /// A node, if it ever registered.
    pub async fn node(&self, of: Address) -> Result<Option<Node>, ClientError> {
        use Value::{Bool as B, String as S, U64 as N};
        let Some(values) = unless(Abort::NotRegistered, self.view("get_p2p_node", &[of.into()]).await)? else {
            return Ok(None);
        };
        match values.as_slice() {
            [S(id), S(key), N(capacity), N(bandwidth), N(at), N(last), B(active), N(reputation)] => Ok(Some(Node {
                node_id: id.clone(),
                public_key: key.clone(),
                compute_capacity: *capacity,
                bandwidth: *bandwidth,
                registered_at: *at,
                last_heartbeat: *last,
                active: *active,
                reputation: *reputation,
            })),
            _ => Err(unreadable("get_p2p_node")),
        }
    }

    /// A session, if it was created.
    pub async fn session(&self, id: u64) -> Result<Option<Session>, ClientError> {
        let values = unless(Abort::NoSession, self.view("get_session", &[id.into()]).await)?;
        values.map(|values| Session::of(&values).ok_or_else(|| unreadable("get_session"))).transpose()
    }

    /// A participant's totals in a session; zeros without a contribution.
    pub async fn contribution(&self, session_number: u64, of: Address) -> Result<Totals, ClientError> {
        let [compute_time, quality_sum, data_transmitted, uptime_sum, count] =
            self.numbers("get_contribution", &[session_number.into(), of.into()]).await?;
        Ok(Totals { compute_time, quality_sum, data_transmitted, uptime_sum, count })
    }

    /// A participant's earning in a session that was paid; zeros without one.
    pub async fn earning(&self, session_number: u64, of: Address) -> Result<Earning, ClientError> {
        match self.view("get_earning", &[session_number.into(), of.into()]).await?.as_slice() {
            [Value::U64(amount), Value::U64(claimable_at), Value::Bool(claimed)] => {
                Ok(Earning { amount: *amount, claimable_at: *claimable_at, claimed: *claimed })
            }
            _ => Err(unreadable("get_earning")),
        }
    }

    /// A session's roots.
    pub async fn root(&self, session_number: u64) -> Result<Root, ClientError> {
        use Value::{Bytes as H, U64 as N};
        match self.view("get_root", &[session_number.into()]).await?.as_slice() {
            [H(root), N(total), H(pending), N(pending_total), N(claimable_at)] => Ok(Root {
                root: root.as_slice().try_into().ok(),
                total: *total,
                pending_root: pending.as_slice().try_into().ok(),
                pending_total: *pending_total,
                claimable_at: *claimable_at,
            }),
            _ => Err(unreadable("get_root")),
        }
    }

    /// What a participant claimed by roots.
    pub async fn claimed(&self, session_number: u64, of: Address) -> Result<u64, ClientError> {
        let [claimed] = self.numbers("get_claimed", &[session_number.into(), of.into()]).await?;
        Ok(claimed)
    }

    /// A session's last anchor; zeros and no hashes without one.
    pub async fn last_anchor(&self, session_number: u64) -> Result<LastAnchor, ClientError> {
        use Value::{Bytes as H, U64 as N};
        match self.view("get_anchor", &[session_number.into()]).await?.as_slice() {
            [N(round), H(checkpoint), H(root), H(head), N(loss), N(tokens), N(duration)] => Ok(LastAnchor {
                round: *round,
                checkpoint_hash: checkpoint.clone(),
                manifest_root: root.clone(),
                audit_head: head.clone(),
                loss_micronats: *loss,
                tokens: *tokens,
                duration_ms: *duration,
            }),
            _ => Err(unreadable("get_anchor")),
        }
    }

    /// Whether an account may report; the admin may.
    pub async fn is_reporter(&self, account: Address) -> Result<bool, ClientError> {
        match self.view("is_reporter", &[account.into()]).await?.as_slice() {
            [Value::Bool(is)] => Ok(*is),
            _ => Err(unreadable("is_reporter")),
        }
    }

    /// What an account holds of the gas coin.
    pub async fn balance(&self, of: Address) -> Result<u64, ClientError> {
        Ok(self.balance_and_time(of).await?.0)
    }

    /// What an account holds of the gas coin, and the chain's time in whole seconds.
    pub(crate) async fn balance_and_time(&self, of: Address) -> Result<(u64, u64), ClientError> {
        match self.transport.get(&format!("/accounts/{of}/balance/{GAS_COIN}")).await? {
            Ok(answer) => {
                let balance = receipt::number(&answer.body).ok_or(unreadable("a balance"))?;
                Ok((balance, answer.chain_s))
            }
            // An account that was never used.
            Err(failure) if failure.refusal.code == "account_not_found" => Ok((0, failure.chain_s)),
            Err(failure) => Err(failure.refusal.into()),
        }
    }

    async fn numbers<const N: usize>(&self, function: &str, arguments: &[Value]) -> Result<[u64; N], ClientError> {
        let values = self.view(function, arguments).await?;
        let numbers = values.into_iter().map(|value| if let Value::U64(number) = value { Some(number) } else { None });
        let numbers: Option<Vec<_>> = numbers.collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).ok_or(unreadable(function))
    }

    /// Evaluates a view; the results have the types of the contract's interface.
    async fn view(&self, function: &str, arguments: &[Value]) -> Result<Vec<Value>, ClientError> {
        let returns = contract::function(function).map_or(&[][..], |function| function.returns);
        let body = json!({
            "function": format!("{}::{MODULE}::{function}", self.home().module), "type_arguments": [],
            "arguments": arguments.iter().map(Value::json).collect::<Vec<_>>(),
        });
        let answer = match self.transport.post("/view", JSON, body.to_string().into_bytes()).await? {
            Ok(answer) => answer,
            Err(failure) => match self.failure(function, &failure.refusal.message) {
                aborts @ ClientError::Aborts { .. } => return Err(aborts),
                _ => return Err(failure.refusal.into()),
            },
        };
        let values = answer.body.as_array().filter(|values| values.len() == returns.len());
        let read = |(ty, json): (_, &Json)| Value::from_json(ty, json).ok();
        values.and_then(|values| returns.iter().zip(values).map(read).collect()).ok_or(unreadable(function))
    }
}

/// Nothing where the view aborted for this reason.
fn unless<T>(abort: Abort, viewed: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match viewed {
        Ok(value) => Ok(Some(value)),
        Err(ClientError::Aborts { abort: found, .. }) if found == abort => Ok(None),
        Err(error) => Err(error),
    }
}

fn unreadable(what: &str) -> ClientError {
    ClientError::Unreadable(what.into())
}
