//! Wordings in traditional Chinese: what headquarters has rolled out, as the technician's page shows it.

/// Simplified form, traditional form.
pub(super) const PACKAGES: &[(&str, &str)] = &[
    ("总部下发的内容", "總部下發的內容"),
    ("总部还没有下发任何内容。", "總部還沒有下發任何內容。"),
    ("内容项", "內容項"),
    ("版本号", "版本號"),
    ("现况", "現況"),
    ("测量模型", "測量模型"),
    ("建议规则", "建議規則"),
    ("护理项目", "護理項目"),
    ("门店设置", "門店設定"),
    ("使用中", "使用中"),
    ("空闲时启用", "空閒時啟用"),
    ("未采用", "未採用"),
    ("总部已撤回", "總部已撤回"),
    ("不再重测？还没轮到的照片保留原来的测量结果。", "不再重測？還沒輪到的照片保留原來的測量結果。"),
    ("停止重测", "停止重測"),
];
