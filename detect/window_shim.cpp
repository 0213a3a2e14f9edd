/* OpenCV's highgui behind the table of window_shim.h. Exceptions end here. */
#include "detect/window_shim.h"

#include <opencv2/core.hpp>
#include <opencv2/highgui.hpp>

#include "detect/shim_guard.h"

namespace
{

bool open(const char *title, char *why) noexcept
{
    return guarded(why, [&] {
        cv::namedWindow(title, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO |
                                   cv::WINDOW_GUI_NORMAL);
        return true;
    });
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
        cv::imshow(title, view(picture));
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
