/* OpenCV's highgui behind the table of window_shim.h. Exceptions end here. */
#include "detect/window_shim.h"

#include <cstdio>

#include <opencv2/core.hpp>
#include <opencv2/highgui.hpp>

namespace
{

bool open(const char *title, char *why) noexcept
{
    try {
        cv::namedWindow(title, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO |
                                   cv::WINDOW_GUI_NORMAL);
        return true;
    } catch (const std::exception &e) {
        std::snprintf(why, CZ_CV_WHY_BYTES, "%s", e.what());
    } catch (...) {
        std::snprintf(why, CZ_CV_WHY_BYTES, "unknown error");
    }
    return false;
}

void resize(const char *title, int width, int height) noexcept
{
    try {
        cv::resizeWindow(title, width, height);
    } catch (...) {
        return; /* it stays as it is */
    }
}

bool show(const char *title, const cz_cv_picture *picture, int *key) noexcept
{
    try {
        const cv::Mat mat(static_cast<int>(picture->height),
                          static_cast<int>(picture->width), CV_8UC3,
                          picture->pixels, picture->step);
        cv::imshow(title, mat);
        *key = cv::waitKey(1);
        return cv::getWindowProperty(title, cv::WND_PROP_VISIBLE) != 0;
    } catch (...) {
        return false;
    }
}

void close(const char *title) noexcept
{
    try {
        cv::destroyWindow(title);
    } catch (...) {
        return; /* it was closed already */
    }
}

} /* namespace */

extern "C" __attribute__((visibility("default")))
const struct cz_ws_table cz_ws_table = {CZ_WS_ABI, open, resize, show, close};
