//! Traditional characters for what the house says on a customer's page. The house's own sentences are a closed set, so a table of
//! the characters in them is enough; what the salon wrote itself (its name, its treatment steps) stands in `<bdi>` and is left
//! as it is. Where one simplified character stands for several, the few words that need another one are named.

/// Pairs, simplified and traditional.
const PAIRS: &[(char, char)] = &[
    ('与', '與'),
    ('专', '專'),
    ('业', '業'),
    ('两', '兩'),
    ('个', '個'),
    ('为', '為'),
    ('产', '產'),
    ('仪', '儀'),
    ('们', '們'),
    ('价', '價'),
    ('会', '會'),
    ('体', '體'),
    ('侧', '側'),
    ('儿', '兒'),
    ('关', '關'),
    ('内', '內'),
    ('写', '寫'),
    ('决', '決'),
    ('准', '準'),
    ('减', '減'),
    ('几', '幾'),
    ('刚', '剛'),
    ('删', '刪'),
    ('别', '別'),
    ('办', '辦'),
    ('动', '動'),
    ('区', '區'),
    ('医', '醫'),
    ('协', '協'),
    ('单', '單'),
    ('历', '歷'),
    ('发', '發'),
    ('变', '變'),
    ('后', '後'),
    ('咨', '諮'),
    ('围', '圍'),
    ('图', '圖'),
    ('坏', '壞'),
    ('处', '處'),
    ('复', '復'),
    ('头', '頭'),
    ('学', '學'),
    ('对', '對'),
    ('层', '層'),
    ('带', '帶'),
    ('干', '乾'),
    ('并', '並'),
    ('开', '開'),
    ('张', '張'),
    ('弹', '彈'),
    ('当', '當'),
    ('总', '總'),
    ('愈', '癒'),
    ('护', '護'),
    ('报', '報'),
    ('择', '擇'),
    ('换', '換'),
    ('据', '據'),
    ('摄', '攝'),
    ('数', '數'),
    ('断', '斷'),
    ('无', '無'),
    ('时', '時'),
    ('晒', '曬'),
    ('暂', '暫'),
    ('机', '機'),
    ('条', '條'),
    ('来', '來'),
    ('标', '標'),
    ('样', '樣'),
    ('检', '檢'),
    ('没', '沒'),
    ('洁', '潔'),
    ('测', '測'),
    ('浓', '濃'),
    ('涂', '塗'),
    ('温', '溫'),
    ('湿', '濕'),
    ('焕', '煥'),
    ('环', '環'),
    ('现', '現'),
    ('电', '電'),
    ('疗', '療'),
    ('确', '確'),
    ('碱', '鹼'),
    ('离', '離'),
    ('类', '類'),
    ('红', '紅'),
    ('约', '約'),
    ('级', '級'),
    ('纲', '綱'),
    ('线', '線'),
    ('经', '經'),
    ('结', '結'),
    ('给', '給'),
    ('续', '續'),
    ('绿', '綠'),
    ('肤', '膚'),
    ('脸', '臉'),
    ('范', '範'),
    ('蓝', '藍'),
    ('虚', '虛'),
    ('补', '補'),
    ('见', '見'),
    ('观', '觀'),
    ('视', '視'),
    ('计', '計'),
    ('议', '議'),
    ('评', '評'),
    ('诉', '訴'),
    ('诊', '診'),
    ('试', '試'),
    ('话', '話'),
    ('询', '詢'),
    ('该', '該'),
    ('语', '語'),
    ('误', '誤'),
    ('说', '說'),
    ('请', '請'),
    ('读', '讀'),
    ('谁', '誰'),
    ('谢', '謝'),
    ('谨', '謹'),
    ('质', '質'),
    ('资', '資'),
    ('转', '轉'),
    ('轴', '軸'),
    ('轻', '輕'),
    ('较', '較'),
    ('过', '過'),
    ('还', '還'),
    ('这', '這'),
    ('连', '連'),
    ('适', '適'),
    ('选', '選'),
    ('里', '裡'),
    ('钟', '鐘'),
    ('链', '鏈'),
    ('镜', '鏡'),
    ('长', '長'),
    ('门', '門'),
    ('闭', '閉'),
    ('间', '間'),
    ('随', '隨'),
    ('项', '項'),
    ('顾', '顧'),
    ('预', '預'),
    ('颈', '頸'),
    ('颊', '頰'),
    ('颜', '顏'),
    ('额', '額'),
    ('验', '驗'),
    ('黄', '黃'),
    ('齐', '齊'),
];

/// Words in which a character is another one than alone.
const WORDS: &[(&str, &str)] = &[("一周", "一週"), ("答复", "答覆"), ("重复", "重複")];

/// The same page in traditional characters.
#[must_use]
pub fn traditional(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("<bdi>") {
        let (ours, theirs) = rest.split_at(at);
        let end = theirs.find("</bdi>").unwrap_or(theirs.len());
        convert(ours, &mut out);
        out.push_str(&theirs[..end]);
        rest = &theirs[end..];
    }
    convert(rest, &mut out);
    out
}

fn convert(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((from, to)) = WORDS.iter().find(|(from, _)| rest.starts_with(from)) {
            out.push_str(to);
            rest = &rest[from.len()..];
            continue;
        }
        let to = PAIRS.binary_search_by_key(&next, |(from, _)| *from).map_or(next, |at| PAIRS[at].1);
        out.push(to);
        rest = &rest[next.len_utf8()..];
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Characters of the house's sentences that are the same in both.
    const SAME: &str = "\
    泛一三上下不中之也乾了交享人今以件任份位低何作例保值偏停像先入全共其再出分列判到刻前副勾化升半卡即原去取另只可右各合同向告周 \
    和品唇善器回因在均基填境士外多大天太好如孔字定客家容小少尚就局居展左差已巴平店度建很性恢息患您想意感慎成我或所手才打抄把拍持 \
    指按掉排探接描提撤收改效敏整文料斜新方早明星是晚更最有期未本果校核次正每比毛水求油治法波消深混清滑灰照爽片版率理生用由甲界 \
    留疾病白的皮相省看眼示程稍立等答算索缺美群者能脂臂自至色行要角言超越足距身辨近述送部都酸醛重量防降限除需面高鼻";

    /// Whether every Chinese character of `text` is known here: a new sentence may bring one that is not.
    pub(crate) fn unknown(text: &str) -> Vec<char> {
        let chinese = |c: &char| ('\u{3400}'..='\u{9fff}').contains(c);
        let known = |c: &char| SAME.contains(*c) || PAIRS.iter().any(|(from, to)| from == c || to == c);
        text.chars().filter(chinese).filter(|c| !known(c)).collect()
    }

    #[test]
    fn what_the_salon_wrote_stays_and_the_house_speaks_traditional() {
        let page = "<h1>护理后变化</h1><bdi>深层清洁</bdi>，一周内答复，重复性，干性";
        assert_eq!(traditional(page), "<h1>護理後變化</h1><bdi>深层清洁</bdi>，一週內答覆，重複性，乾性");
        assert!(PAIRS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
