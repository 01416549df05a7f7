//! What happened, in one Chinese line: `octo/repo：Issue #12 已创建（octocat）`.
//!
//! Built like the English line of `happening`, by the same rule and from the same parts: the repository, the object,
//! what was done to it, by whom. One shape fits every verb, the passive one, with who did it in brackets behind: it is
//! what Chinese notifications look like, and it keeps what matters in front on a phone. Words that are not in the
//! tables are GitHub's own, of an event or an action nobody knew yet; they stay as GitHub writes them.

use crate::sources::github::happening::Happening;

/// What the objects are called: the English words of `happening`, and ours. `Issue`, `PR` and `Dependabot` are what
/// Chinese developers say.
const NOUNS: &[(&str, &str)] = &[
    ("Dependabot alert", "Dependabot 告警"),
    ("app", "应用"),
    ("app authorization", "应用授权"),
    ("app repositories", "应用的仓库"),
    ("branch", "分支"),
    ("branch protection configuration", "分支保护配置"),
    ("branch protection rule", "分支保护规则"),
    ("check", "检查"),
    ("checks", "检查"),
    ("code scanning alert", "代码扫描告警"),
    ("collaborator", "协作者"),
    ("comment", "评论"),
    ("comment on commit", "提交"),
    ("custom property", "自定义属性"),
    ("deploy key", "部署密钥"),
    ("deployment", "部署"),
    ("deployment protection rule", "部署保护规则"),
    ("deployment review", "部署审批"),
    ("deployment to", "部署到"),
    ("discussion", "讨论"),
    ("forked to", "已复刻到"),
    ("installation target", "安装目标"),
    ("issue", "Issue"),
    ("job", "作业"),
    ("label", "标签"),
    ("marketplace plan", "Marketplace 方案"),
    ("merge group", "合并组"),
    ("milestone", "里程碑"),
    ("organization", "组织"),
    ("package", "软件包"),
    ("page build", "Pages 构建"),
    ("personal access token request", "个人访问令牌申请"),
    ("project", "项目"),
    ("project card", "项目卡片"),
    ("project column", "项目列"),
    ("project item", "项目条目"),
    ("registry package", "软件包"),
    ("release", "版本"),
    ("repository", "仓库"),
    ("repository advisory", "仓库安全公告"),
    ("repository dispatch", "仓库事件"),
    ("repository import", "仓库导入"),
    ("repository ruleset", "仓库规则集"),
    ("secret scanning alert", "密钥扫描告警"),
    ("secret scanning alert location", "密钥泄露位置"),
    ("secret scanning scan", "密钥扫描"),
    ("security advisory", "安全公告"),
    ("security and analysis", "安全与分析设置"),
    ("sponsorship", "赞助"),
    ("status", "状态"),
    ("sub issues", "子 Issue"),
    ("tag", "标签"),
    ("team", "团队"),
    ("team member", "团队成员"),
    ("thread", "评审会话"),
    ("user", "用户"),
    ("vulnerability alert for", "漏洞告警"),
    ("webhook", "Webhook"),
    ("wiki page", "Wiki 页面"),
    ("workflow", "工作流"),
];

/// What was done: event (`*`: any), GitHub's word, ours. The first that fits counts.
const VERBS: &[(&str, &str, &str)] = &[
    ("check_run", "requested_action", "已请求操作"),
    ("check_suite", "requested", "已请求"),
    ("commit_comment", "created", "有新评论"),
    ("create", "", "已创建"),
    ("delete", "", "已删除"),
    ("deployment_review", "requested", "待处理"),
    ("discussion_comment", "created", "有新评论"),
    ("fork", "", ""),
    ("gollum", "created", "已创建"),
    ("gollum", "edited", "已编辑"),
    ("installation", "created", "已安装"),
    ("installation", "deleted", "已卸载"),
    ("installation", "suspend", "已停用"),
    ("installation", "unsuspend", "已恢复"),
    ("issue_comment", "created", "有新评论"),
    ("merge_group", "checks_requested", "请求检查"),
    ("milestone", "opened", "已重新打开"),
    ("organization", "member_added", "有新成员"),
    ("organization", "member_invited", "邀请了新成员"),
    ("organization", "member_removed", "移除了成员"),
    ("public", "", "已公开"),
    ("pull_request_review", "approved", "已批准"),
    ("pull_request_review", "changes_requested", "需要修改"),
    ("pull_request_review", "commented", "已评审"),
    ("pull_request_review", "dismissed", "评审已撤销"),
    ("pull_request_review", "edited", "评审已编辑"),
    ("pull_request_review_comment", "created", "有新评论"),
    ("repository", "privatized", "已转为私有"),
    ("repository", "publicized", "已公开"),
    ("repository_vulnerability_alert", "create", "已创建"),
    ("repository_vulnerability_alert", "dismiss", "已忽略"),
    ("repository_vulnerability_alert", "resolve", "已解决"),
    ("star", "created", "新增 Star"),
    ("star", "deleted", "取消 Star"),
    ("team_add", "", "已添加"),
    ("watch", "started", "新增关注"),
    ("workflow_dispatch", "", "已启动"),
    ("*", "accepted", "已接受"),
    ("*", "added", "已添加"),
    ("*", "added_to_repository", "已加入仓库"),
    ("*", "answered", "已有答案"),
    ("*", "appeared_in_branch", "出现在分支中"),
    ("*", "approved", "已批准"),
    ("*", "archived", "已归档"),
    ("*", "assigned", "已指派"),
    ("*", "auto_dismissed", "已自动忽略"),
    ("*", "auto_merge_disabled", "已关闭自动合并"),
    ("*", "auto_merge_enabled", "已开启自动合并"),
    ("*", "auto_reopened", "已自动重新打开"),
    ("*", "blocked", "已拉黑"),
    ("*", "cancelled", "已取消"),
    ("*", "category_changed", "已更改分类"),
    ("*", "changed", "已变更"),
    ("*", "closed", "已关闭"),
    ("*", "closed_by_user", "已关闭"),
    ("*", "completed", "已完成"),
    ("*", "converted", "已转换"),
    ("*", "converted_to_draft", "已转为草稿"),
    ("*", "created", "已创建"),
    ("*", "deleted", "已删除"),
    ("*", "demilestoned", "已移出里程碑"),
    ("*", "denied", "已拒绝"),
    ("*", "dequeued", "已移出合并队列"),
    ("*", "destroyed", "已销毁"),
    ("*", "disabled", "已停用"),
    ("*", "dismissed", "已忽略"),
    ("*", "edited", "已编辑"),
    ("*", "enabled", "已启用"),
    ("*", "enqueued", "已进入合并队列"),
    ("*", "fixed", "已修复"),
    ("*", "in_progress", "进行中"),
    ("*", "labeled", "已添加标签"),
    ("*", "locked", "已锁定"),
    ("*", "merged", "已合并"),
    ("*", "milestoned", "已加入里程碑"),
    ("*", "moved", "已移动"),
    ("*", "new_permissions_accepted", "已接受新权限"),
    ("*", "opened", "已创建"),
    ("*", "pending_cancellation", "即将取消"),
    ("*", "pending_change", "即将变更"),
    ("*", "pending_change_cancelled", "已取消变更"),
    ("*", "pending_tier_change", "即将变更档位"),
    ("*", "performed", "已发布"),
    ("*", "pinned", "已置顶"),
    ("*", "prereleased", "已预发布"),
    ("*", "published", "已发布"),
    ("*", "publicly_leaked", "已公开泄露"),
    ("*", "purchased", "已购买"),
    ("*", "ready_for_review", "可以评审"),
    ("*", "rejected", "已拒绝"),
    ("*", "released", "已正式发布"),
    ("*", "reintroduced", "再次出现"),
    ("*", "removed", "已移除"),
    ("*", "removed_from_repository", "已移出仓库"),
    ("*", "renamed", "已改名"),
    ("*", "reopened", "已重新打开"),
    ("*", "reopened_by_user", "已重新打开"),
    ("*", "reordered", "已重新排序"),
    ("*", "reported", "已上报"),
    ("*", "requested", "已请求"),
    ("*", "rerequested", "已请求重新运行"),
    ("*", "resolved", "已解决"),
    ("*", "restored", "已还原"),
    ("*", "review_request_removed", "已取消评审请求"),
    ("*", "review_requested", "请求评审"),
    ("*", "revoked", "已撤销"),
    ("*", "submitted", "已提交"),
    ("*", "synchronize", "有新提交"),
    ("*", "tier_changed", "已变更档位"),
    ("*", "transferred", "已转移"),
    ("*", "typed", "已设置类型"),
    ("*", "unanswered", "已取消答案"),
    ("*", "unarchived", "已取消归档"),
    ("*", "unassigned", "已取消指派"),
    ("*", "unblocked", "已解除拉黑"),
    ("*", "unlabeled", "已移除标签"),
    ("*", "unlocked", "已解锁"),
    ("*", "unpinned", "已取消置顶"),
    ("*", "unpublished", "已取消发布"),
    ("*", "unresolved", "已重新开启"),
    ("*", "untyped", "已移除类型"),
    ("*", "updated", "已更新"),
    ("*", "validated", "已确认"),
    ("*", "withdrawn", "已撤回"),
];

/// How something went or how far it is, as GitHub says it and in Chinese.
const OUTCOMES: &[(&str, &str)] = &[
    ("action_required", "需要处理"),
    ("active", "已生效"),
    ("building", "构建中"),
    ("built", "成功"),
    ("cancelled", "已取消"),
    ("complete", "已完成"),
    ("completed", "已完成"),
    ("destroyed", "已销毁"),
    ("error", "失败"),
    ("errored", "失败"),
    ("failure", "失败"),
    ("in_progress", "进行中"),
    ("inactive", "已失效"),
    ("neutral", "已结束"),
    ("pending", "等待中"),
    ("queued", "排队中"),
    ("skipped", "已跳过"),
    ("stale", "已过期"),
    ("startup_failure", "启动失败"),
    ("success", "成功"),
    ("timed_out", "超时"),
    ("waiting", "等待中"),
];

/// The delivery in one line. Never empty.
pub(super) fn title(happening: &Happening<'_>) -> String {
    let what = match happening.progress_word() {
        _ if happening.event == "push" => push(happening),
        Some(word) => run(happening, &word),
        None => deed(happening),
    };
    format!("{}：{what}", happening.place())
}

/// `3 个提交已推送到 main（octocat）`, `标签 v1 已删除（octocat）`.
fn push(happening: &Happening<'_>) -> String {
    let push = happening.pushed();
    let pushed = if push.forced { "已强制推送" } else { "已推送" };
    let (noun, name) = (of(NOUNS, push.noun), &push.name);
    let what = match push.commits {
        _ if push.deleted => format!("{noun} {name} 已删除"),
        _ if push.noun == "tag" => format!("{noun} {name} {pushed}"),
        0 => format!("{noun} {name} {}", if push.created { "已创建" } else { pushed }),
        commits => format!("{commits} 个提交{pushed}到 {name}"),
    };
    by(happening, what)
}

/// `工作流失败：CI`.
fn run(happening: &Happening<'_>, word: &str) -> String {
    let name = happening.name().map(|name| format!("：{name}")).unwrap_or_default();
    format!("{}{name}", joined(&of(NOUNS, &happening.noun()), &of(OUTCOMES, word)))
}

/// `Issue #12 已创建（octocat）`, `PR #2 的评论已删除（octocat）`.
fn deed(happening: &Happening<'_>) -> String {
    let action = happening.telling_action();
    let fits = |event: &str| event == happening.event || event == "*";
    let verb = VERBS.iter().find(|(event, word, _)| fits(event) && *word == action);
    let verb = verb.map_or_else(|| action.replace('_', " "), |(.., said)| (*said).to_owned());
    by(happening, joined(&head(happening, &verb), &verb))
}

/// `Issue #12`, `PR #2 的评论`, `标签 v1`.
fn head(happening: &Happening<'_>, verb: &str) -> String {
    let noun = of(NOUNS, &happening.noun());
    let Some((parent, number)) = happening.belongs_to() else {
        return joined(&noun, &happening.name().unwrap_or_default());
    };
    let parent = format!("{} #{number}", of(NOUNS, parent));
    // `有新评论` says already what is new of it.
    if noun.is_empty() || verb.ends_with(&noun) { parent } else { format!("{parent} 的{noun}") }
}

/// What GitHub does by itself needs no name.
fn by(happening: &Happening<'_>, what: String) -> String {
    let sender = happening.sender().filter(|sender| sender != "github");
    sender.map_or(what.clone(), |sender| format!("{what}（{sender}）"))
}

fn of(table: &[(&str, &str)], word: &str) -> String {
    let known = table.iter().find(|(english, _)| *english == word);
    known.map_or_else(|| word.replace('_', " "), |(_, chinese)| (*chinese).to_owned())
}

/// With a space where one of the two is not Chinese.
fn joined(first: &str, then: &str) -> String {
    let is_chinese = |letter: Option<char>| letter.is_some_and(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
    let close = is_chinese(first.chars().last()) && is_chinese(then.chars().next());
    format!("{first}{}{then}", if close { "" } else { " " }).trim().to_owned()
}
